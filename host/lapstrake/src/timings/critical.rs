//! The critical path: the chain of steps, each an input of the next, whose times add up to most. No other order and no
//! more workers would have made the build shorter than it.
//! Pure; knows nothing of builds.

/// A step of a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// What it took, in any unit.
    pub cost: u64,
    /// The nodes it waits for. Those that are not there are left out.
    pub inputs: Vec<usize>,
}

/// The nodes of the critical path, the first one first. Of equally long ones, the one of the earliest nodes.
///
/// The graph is expected to have no cycle; an input that would close one is left out.
pub fn path(nodes: &[Node]) -> Vec<usize> {
    // Longest way that ends in a node, itself included, and the node before it on that way.
    let mut ways: Vec<Option<(u64, Option<usize>)>> = vec![None; nodes.len()];
    for node in order(nodes) {
        let mut best: Option<(u64, usize)> = None;
        for &input in &nodes[node].inputs {
            if let Some(Some((cost, _))) = ways.get(input)
                && best.is_none_or(|(most, before)| *cost > most || *cost == most && input < before)
            {
                best = Some((*cost, input));
            }
        }
        let before = best.map_or(0, |(cost, _)| cost);
        ways[node] = Some((
            before.saturating_add(nodes[node].cost),
            best.map(|(_, input)| input),
        ));
    }
    let cost = |node: &usize| ways[*node].map_or(0, |(cost, _)| cost);
    let last = (0..nodes.len()).rev().max_by_key(cost);
    let mut path = Vec::new();
    let mut next = last.filter(|last| cost(last) > 0);
    while let Some(node) = next {
        path.push(node);
        next = ways[node].and_then(|(_, before)| before);
    }
    path.reverse();
    // What took no time at its beginning belongs to no path.
    let begin = path.iter().position(|node| nodes[*node].cost > 0);
    path.split_off(begin.unwrap_or_default())
}

/// All nodes, each after its inputs.
fn order(nodes: &[Node]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    for root in 0..nodes.len() {
        // Not recursive: graphs are thousands of steps deep.
        let mut stack = vec![(root, 0)];
        while let Some((node, position)) = stack.pop() {
            if position == 0 {
                if marks[node] != Mark::New {
                    continue;
                }
                marks[node] = Mark::Open;
            }
            match nodes[node].inputs.get(position) {
                Some(&input) => {
                    stack.push((node, position + 1));
                    if marks.get(input) == Some(&Mark::New) {
                        stack.push((input, 0));
                    }
                }
                None => {
                    marks[node] = Mark::Done;
                    order.push(node);
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: &[(u64, &[usize])]) -> Vec<Node> {
        let node = |(cost, inputs): &(u64, &[usize])| Node {
            cost: *cost,
            inputs: inputs.to_vec(),
        };
        nodes.iter().map(node).collect()
    }

    #[test]
    fn the_longest_chain_and_not_the_longest_step() {
        // 0 -> 1 -> 4, 0 -> 2 -> 3 -> 4
        let nodes = graph(&[(1, &[]), (7, &[0]), (4, &[0]), (5, &[2]), (1, &[1, 3])]);
        assert_eq!(path(&nodes), [0, 2, 3, 4]);
    }

    #[test]
    fn steps_that_took_no_time_are_kept_between_but_not_before() {
        let nodes = graph(&[(0, &[]), (3, &[0]), (0, &[1]), (2, &[2]), (9, &[])]);
        assert_eq!(path(&nodes), [4]);
        let nodes = graph(&[(0, &[]), (3, &[0]), (0, &[1]), (2, &[2]), (4, &[])]);
        assert_eq!(path(&nodes), [1, 2, 3]);
    }

    #[test]
    fn order_of_nodes_does_not_matter_and_ties_are_decided() {
        let nodes = graph(&[(1, &[2]), (5, &[]), (5, &[])]);
        assert_eq!(path(&nodes), [2, 0]);
        let nodes = graph(&[(5, &[]), (5, &[])]);
        assert_eq!(path(&nodes), [0]);
        let nodes = graph(&[(5, &[]), (5, &[]), (1, &[1, 0])]);
        assert_eq!(path(&nodes), [0, 2]);
    }

    #[test]
    fn nothing_a_cycle_and_an_unknown_input_are_no_panic() {
        assert_eq!(path(&[]), Vec::<usize>::new());
        assert_eq!(path(&graph(&[(0, &[]), (0, &[0])])), Vec::<usize>::new());
        assert_eq!(path(&graph(&[(1, &[1]), (1, &[0]), (1, &[77])])).len(), 2);
        let deep: Vec<Node> = (0..100_000)
            .map(|n: usize| Node {
                cost: 1,
                inputs: n.checked_sub(1).into_iter().collect(),
            })
            .collect();
        assert_eq!(path(&deep).len(), 100_000);
    }
}

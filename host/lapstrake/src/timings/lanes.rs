//! Lanes of a time line: which steps can stand beside each other on one line without overlapping.
//! Pure; knows nothing of builds.

/// The lane of each span (begin, end), from 0: the lowest that is free when it begins. Spans without length take a lane
/// for their moment, too.
pub fn lanes(spans: &[(u64, u64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|index| (spans[*index].0, *index));
    let mut free_from: Vec<u64> = Vec::new();
    let mut lanes = vec![0; spans.len()];
    for index in order {
        let (begin, end) = spans[index];
        let lane = free_from.iter().position(|free| *free <= begin);
        let lane = lane.unwrap_or_else(|| {
            free_from.push(0);
            free_from.len() - 1
        });
        free_from[lane] = end.max(begin + 1);
        lanes[index] = lane;
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_on_different_lanes() {
        assert_eq!(
            lanes(&[(0, 10), (5, 15), (10, 20), (12, 13), (16, 18)]),
            [0, 1, 0, 2, 1]
        );
        assert_eq!(lanes(&[(3, 3), (3, 3)]), [0, 1]);
        assert_eq!(lanes(&[(20, 30), (0, 10)]), [0, 0]);
        assert_eq!(lanes(&[]), Vec::<usize>::new());
    }
}

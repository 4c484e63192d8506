//! The graph policy: rules that hold whichever frontend made the graph, told with the line of the build file.

use lapstrake_tests::Place;

#[test]
fn rules_are_told_with_the_line_that_breaks_them() {
    let place = Place::new();
    place.config(
        "[policy]\nregistries = [\"docker.io/library\"]\nnetwork = [\"none\"]\nsecrets-with-network = false\n\
         security-insecure = false\n",
    );
    place.dockerfile(
        "# syntax=docker/dockerfile:1-labs\nFROM base\nRUN --network=none true\n\
         RUN --mount=type=secret,id=token --network=default true\nRUN --network=none --security=insecure true\n",
    );
    place
        .build(&["--allow", "security.insecure", "--secret", "id=token,env=HOME"])
        .fails(
            1,
            &[
                "error[policy.network]: the policy does not allow a command the network sandbox",
                "error[policy.secrets-with-network]",
                "Dockerfile:4:1",
                "error[policy.security-insecure]",
                "Dockerfile:5:1",
                "[policy] in the configuration",
            ],
        );
    // No registry is asked for what may not be used: that there is none at this port is not found out.
    place.dockerfile("FROM scratch\nCOPY --from=localhost:1/x/y /a /\nFROM localhost:1/x/y\n");
    place.run(["llb", "context"]).fails(
        1,
        &[
            "Dockerfile:3:",
            "the policy does not allow images of localhost:1/x/y (allowed are docker.io/library)",
        ],
    );
    place.dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    place.build(&[]).ok();
    place.config("[policy]\nnetworks = []\n");
    place.build(&[]).fails(2, &["networks"]);
}

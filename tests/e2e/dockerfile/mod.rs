//! What Dockerfiles build: every sentence about behaviour as a build that is looked into, and the same files built by a
//! real BuildKit beside.

mod engine;

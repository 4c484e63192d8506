//! Makes the frontend a component. Knows nothing but that.

lapstrake_sdk::register!(crate::frontend::NixFrontend);

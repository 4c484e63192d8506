//! Damage in the store, and a full disk: it is found, said, and made good.

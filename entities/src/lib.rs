//! What is stored: one file per entity.

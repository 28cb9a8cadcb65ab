//! Declarative files: parsed, validated, exported.

//! The field-definition language: validate, fill defaults, describe.

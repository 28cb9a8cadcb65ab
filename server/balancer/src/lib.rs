//! Which Target a request goes to, and which are healthy; pure.

//! Access and error logs, metrics.

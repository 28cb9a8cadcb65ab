//! kong.conf and environment to typed settings.

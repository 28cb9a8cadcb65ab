//! What Kong keeps for its Enterprise edition and Silverback has for everyone: RBAC, admins, mail, audit, event hooks.

use crate::property::{Property, boolean, choice, list, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    choice(
        "enforce_rbac",
        "off",
        &["off", "on", "entity", "both"],
        "RBAC of the Admin API: endpoints (on), entities, both; off without a database",
    ),
    text("rbac_auth_header", "Kong-Admin-Token", "header with the RBAC token"),
    choice(
        "admin_gui_auth",
        "",
        &["basic-auth", "ldap-auth-advanced", "openid-connect"],
        "how admins sign in to the manager; wants enforce_rbac",
    ),
    text("admin_gui_auth_conf", "", "JSON: config of the sign-in plugin").secret(),
    text("admin_gui_session_conf", "", "JSON: config of the session plugin; secret is a must with basic-auth and ldap")
        .secret(),
    text("admin_gui_auth_header", "Kong-Admin-User", "header naming the admin beside a session or credentials"),
    number("admin_gui_auth_login_attempts", "0", "failed sign-ins per admin before it is locked; 0 no limit"),
    number("admin_gui_auth_login_attempts_ttl", "604800", "seconds the count of failed sign-ins lives (0..100000000)"),
    number(
        "admin_gui_auth_change_password_attempts",
        "0",
        "failed password changes per admin before it is locked; 0 no limit",
    ),
    number("admin_gui_auth_change_password_ttl", "86400", "seconds the count of failed password changes lives"),
    text(
        "admin_gui_auth_password_complexity",
        "",
        "JSON: {\"kong-preset\": \"min_8\" | \"min_12\" | \"min_20\"}, or min, max, passphrase",
    ),
    number("admin_invitation_expiry", "259200", "seconds an invitation is valid; 0 for ever"),
    text("admin_emails_from", "", "sender of mails to admins").later(),
    text("admin_emails_reply_to", "", "reply address of mails to admins").later(),
    boolean("smtp_mock", "on", "mails are not sent"),
    text("smtp_host", "localhost", "mail server").later(),
    number("smtp_port", "25", "its port").later(),
    boolean("smtp_starttls", "off", "STARTTLS with the mail server").later(),
    choice("smtp_auth_type", "", &["plain", "login"], "how to sign in to the mail server").later(),
    text("smtp_username", "", "user at the mail server").later(),
    text("smtp_password", "", "password at the mail server").secret().later(),
    text("smtp_domain", "localhost.localdomain", "domain said to the mail server").later(),
    number("smtp_timeout_connect", "60000", "ms to connect to the mail server").later(),
    number("smtp_timeout_send", "60000", "ms to send to the mail server").later(),
    number("smtp_timeout_read", "60000", "ms to read from the mail server").later(),
    list("smtp_admin_emails", "", "addresses that get notices for admins").later(),
    boolean("audit_log", "off", "record requests to the Admin API and changes of entities"),
    list("audit_log_ignore_methods", "", "methods that are not recorded"),
    list("audit_log_ignore_paths", "", "regular expressions searched in the path; matching requests are not recorded"),
    list("audit_log_ignore_tables", "", "entities whose changes are not recorded"),
    list(
        "audit_log_payload_exclude",
        "token, secret, password",
        "keys taken out of recorded bodies at any depth; a.b.c is that path only",
    ),
    number("audit_log_record_ttl", "2592000", "seconds a record is kept"),
    text("audit_log_signing_key", "", "file of an RSA private key that signs records"),
    boolean("event_hooks_enabled", "on", "event hooks"),
    choice(
        "route_validation_strategy",
        "smart",
        &["smart", "path", "static", "off"],
        "how routes of different workspaces are kept from colliding",
    ),
    text(
        "enforce_route_path_pattern",
        "",
        "pattern with $(workspace) that paths must match, with route_validation_strategy path",
    ),
];

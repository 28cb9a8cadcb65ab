//! The roles that every gateway has.

use crate::action::Actions;

/// One of them. It lives in the workspace `default` and speaks of all workspaces.
#[derive(Clone, Copy, Debug)]
pub struct DefaultRole {
    /// Name.
    pub name: &'static str,
    /// Comment.
    pub comment: &'static str,
    /// What it may do everywhere.
    pub actions: Actions,
    /// Endpoints that it has no access to.
    pub except: &'static [&'static str],
}

/// The endpoints of RBAC and of groups, with and without the prefix of a workspace. Permissions are written without one;
/// those with one are what the roles have shown from the beginning.
const MANAGEMENT: &[&str] = &[
    "/rbac",
    "/rbac/*",
    "/rbac/*/*",
    "/rbac/*/*/*",
    "/rbac/*/*/*/*",
    "/rbac/*/*/*/*/*",
    "/rbac/*/*/*/*/*/*",
    "/rbac/*/*/*/*/*/*/*",
    "/rbac/*/*/*/*/*/*/*/*",
    "/rbac/*/*/*/*/*/*/*/*/*",
    "/rbac/*/*/*/*/*/*/*/*/*/*",
    "/*/rbac/*",
    "/*/rbac/*/*",
    "/*/rbac/*/*/*",
    "/*/rbac/*/*/*/*",
    "/*/rbac/*/*/*/*/*",
    "/groups",
    "/groups/*",
    "/groups/*/*",
];

/// The roles.
pub const DEFAULT_ROLES: [DefaultRole; 3] = [
    DefaultRole {
        name: "read-only",
        comment: "Read access to all endpoints, across all workspaces",
        actions: Actions::READ,
        except: &[],
    },
    DefaultRole {
        name: "admin",
        comment: "Full access to all endpoints, across all workspaces—except RBAC Admin API",
        actions: Actions::ALL,
        except: MANAGEMENT,
    },
    DefaultRole {
        name: "super-admin",
        comment: "Full access to all endpoints, across all workspaces",
        actions: Actions::ALL,
        except: &[],
    },
];

//! Who is let in to the Admin API of a node with a database.

use super::core::Core;
use access::{Complexity, Exclusion, SessionSettings, SigningKey};
use admin::{Attempts, AuditSettings, Collisions, Directory, Gate, GateSettings, HealthEvent};
use config::{RbacLevel, RouteValidation, Settings, SignIn};
use proxy::targets::{HealthChange, HealthListener};
use std::sync::Arc;

/// The gate of a node; none without a database.
pub async fn open(settings: &Settings, core: &Core) -> Result<Option<Arc<Gate>>, String> {
    if core.database().is_none() {
        return Ok(None);
    }
    let manager = &settings.manager;
    let attempts = |given: &config::Attempts| Attempts { limit: given.limit, ttl: given.ttl };
    if manager.sign_in == Some(SignIn::OpenIdConnect) {
        tracing::warn!("admin_gui_auth: openid-connect is not available; admins use their RBAC tokens");
    }
    let directory = match manager.sign_in {
        Some(SignIn::Ldap) => Some(Directory::read(&manager.sign_in_config, core.ldap.clone())?),
        _ => None,
    };
    let complexity = match &manager.password_complexity {
        None => Complexity::default(),
        Some(rules) => Complexity::read(rules).map_err(|error| error.to_string())?,
    };
    let given = GateSettings {
        endpoints: matches!(settings.rbac.level, RbacLevel::Endpoints | RbacLevel::Both),
        entities: matches!(settings.rbac.level, RbacLevel::Entities | RbacLevel::Both),
        token_header: settings.rbac.token_header.clone(),
        passwords: manager.sign_in == Some(SignIn::Basic),
        directory,
        admin_header: manager.auth_header.to_ascii_lowercase(),
        session: manager.session.as_ref().map_or_else(SessionSettings::default, SessionSettings::read),
        login_attempts: attempts(&manager.login_attempts),
        change_password_attempts: attempts(&manager.change_password_attempts),
        complexity,
        invitation_expiry: manager.invitation_expiry,
        manager_urls: manager.urls.clone(),
        exclusion: exclusion(settings),
        audit: audit(settings)?,
        collisions: match &settings.rbac.route_validation {
            RouteValidation::Smart => Collisions::Smart,
            RouteValidation::Path(pattern) => Collisions::Path(pattern.clone()),
            RouteValidation::Static => Collisions::Static,
            RouteValidation::Off => Collisions::Off,
        },
        event_hooks: settings.event_hooks,
        http: core.outbound.clone(),
        mailer: super::mails::open(settings, core)?,
        shipping: core.outbound.depot.clone(),
        scripts: Arc::new(lua::Chunks { node_id: core.node_id }),
    };
    let gate = Gate::open(given, core.kinds.clone(), core.store()).await.map_err(|error| error.to_string())?;
    let gate = Arc::new(gate);
    if settings.event_hooks {
        core.targets.listen(Arc::new(OfTargets(gate.clone())));
    }
    core.notices.open(gate.clone());
    Ok(Some(gate))
}

/// Has event hooks told of the health of Targets.
struct OfTargets(Arc<Gate>);

impl HealthListener for OfTargets {
    fn changed(&self, change: HealthChange) {
        let HealthChange { upstream, hostname, address, healthy } = change;
        self.0.health_changed(HealthEvent { upstream, hostname: hostname.to_string(), address, healthy });
    }
}

/// What is in no entry of it, and in no event.
pub fn exclusion(settings: &Settings) -> Exclusion {
    Exclusion::new(settings.audit.payload_exclude.iter().map(String::as_str))
}

/// What the audit log is written by; none where it is off.
pub fn audit(settings: &Settings) -> Result<Option<AuditSettings>, String> {
    let given = &settings.audit;
    if !given.enabled {
        return Ok(None);
    }
    let key = match &given.signing_key {
        None => None,
        Some(path) => {
            let pem =
                std::fs::read(path).map_err(|error| format!("audit_log_signing_key: {}: {error}", path.display()))?;
            Some(SigningKey::read(&pem).map_err(|error| error.to_string())?)
        }
    };
    Ok(Some(AuditSettings {
        ignore_methods: given.ignore_methods.clone(),
        ignore_paths: given.ignore_paths.clone(),
        ignore_tables: given.ignore_tables.clone(),
        ttl: given.record_ttl,
        key,
    }))
}

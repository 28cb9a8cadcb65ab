//! Whom clients are asked to prove themselves to.

use crate::chain::{Attached, Slot};
use crate::service::CompiledRoute;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::View;
use uuid::Uuid;

/// CA certificates by primary key, DER. Those that cannot be read vouch for nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities(Arc<HashMap<Uuid, Arc<[u8]>, foldhash::fast::RandomState>>);

impl Authorities {
    /// Those of a view; what stayed the same is what it was before.
    pub(crate) fn of(view: &View, before: &Self) -> Self {
        let all = view.all("ca_certificates").filter_map(|record| {
            let id = record.id.uuid()?;
            let der = CertificateDer::from_pem_slice(record.text("cert")?.as_bytes()).ok()?;
            let held = before.0.get(&id).filter(|held| ***held == *der);
            Some((id, held.cloned().unwrap_or_else(|| Arc::from(der.as_ref()))))
        });
        Self(Arc::new(all.collect()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        self.0.values()
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<[u8]>> {
        self.0.get(&id).cloned()
    }
}

/// Who is asked for a certificate in the handshake, where Routes are not known yet: by server name.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    everyone: bool,
    names: HashSet<Box<str>, foldhash::fast::RandomState>,
}

impl Asked {
    /// By the plugins that need one: clients of their Routes' server names, or everyone where a Route has none, names
    /// several at once, or is an expression; and where the plugin is attached to nothing.
    pub(crate) fn of<'a>(attached: impl Iterator<Item = &'a Attached>, routes: &[CompiledRoute]) -> Self {
        let mut asked = Self::default();
        let mut any = false;
        for attached in attached.filter(|attached| attached.instance.asks_for_certificate()) {
            any = true;
            asked.everyone |= attached.route.is_none() && attached.service.is_none();
        }
        if !any || asked.everyone {
            return asked;
        }
        for route in routes.iter().filter(|route| route.chain.slots().iter().any(Slot::asks_for_certificate)) {
            let names = route.entity.snis.iter().flatten();
            let names: Vec<&str> = names.map(|name| name.trim_end_matches('.')).collect();
            if names.is_empty() || names.iter().any(|name| name.contains('*')) || route.entity.expression.is_some() {
                asked.everyone = true;
                break;
            }
            asked.names.extend(names.into_iter().map(|name| name.to_ascii_lowercase().into_boxed_str()));
        }
        asked
    }

    pub(crate) fn is_nobody(&self) -> bool {
        !self.everyone && self.names.is_empty()
    }

    pub(crate) fn has(&self, name: Option<&str>) -> bool {
        self.everyone || name.is_some_and(|name| self.names.contains(&*name.to_ascii_lowercase()))
    }
}

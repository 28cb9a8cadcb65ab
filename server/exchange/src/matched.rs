//! The Route of a request.

use std::sync::Arc;
use uuid::Uuid;

/// The Route that a request matched. With thousands of Routes each entity lies outside the nearest caches, and so does its
/// count of references: what every request needs, the id, is here, and [`crate::Exchange::route_entity`] leads to the rest.
#[derive(Clone, Debug)]
pub struct MatchedRoute {
    /// Its id.
    pub id: Uuid,
    pub(crate) place: Place,
}

/// Where the entity is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// At this place of the Exchange's Directory.
    Number(u32),
    Here(Arc<entities::Route>),
}

impl MatchedRoute {
    /// The Route of that id and that number in the Directory of the Exchange; see [`crate::Directory::route`].
    pub fn numbered(id: Uuid, number: u32) -> Self {
        Self { id, place: Place::Number(number) }
    }
}

impl From<Arc<entities::Route>> for MatchedRoute {
    fn from(route: Arc<entities::Route>) -> Self {
        Self { id: route.id, place: Place::Here(route) }
    }
}

//! The Exchange itself.

use crate::answer::Answer;
use crate::directory::{Consumer, Credential, Directory, write_identity};
use crate::state::State;
use crate::{Forward, Request, RequestId, Response, Timeline};
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Who the client is, as authentication plugins found out.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The Consumer.
    pub consumer: Option<Arc<Consumer>>,
    /// The credential; its `id` and `consumer` are what `kong.client.get_credential` shows.
    pub credential: Option<Arc<Credential>>,
    /// Groups an authentication plugin found outside (LDAP, tokens), for `acl`.
    pub authenticated_groups: Vec<String>,
}

/// One request with its response.
pub struct Exchange {
    /// Its id.
    pub id: RequestId,
    /// What the client asked; `headers` and `body` are what is sent on.
    pub request: Request,
    /// Where it is going.
    pub forward: Forward,
    /// What the client gets.
    pub response: Response,
    /// The Route that matched.
    pub route: Option<Arc<entities::Route>>,
    /// Its Service.
    pub service: Option<Arc<entities::Service>>,
    /// Workspace of the Route; the default one before routing.
    pub workspace: Uuid,
    /// Captures of the Route's regular expression.
    pub captures: Option<Box<router::Captures>>,
    /// Who asks.
    pub identity: Identity,
    /// When what happened.
    pub timeline: Timeline,
    /// Who is known here: the Snapshot this request sees from begin to end.
    pub directory: Arc<dyn Directory>,
    /// What plugins remember.
    pub state: State,
    /// The address that answered, or was tried last.
    pub upstream_address: Option<SocketAddr>,
    /// Set by a plugin that wants the upstream's answer whole before any of it is sent (`kong.service.request.enable_buffering`).
    pub buffer_response: bool,
}

impl Exchange {
    /// An Exchange for a request that was just read.
    pub fn new(request: Request, timeline: Timeline, directory: Arc<dyn Directory>) -> Self {
        Self {
            id: RequestId::fresh(),
            request,
            forward: Forward::default(),
            response: Response::default(),
            route: None,
            service: None,
            workspace: entities::DEFAULT_WORKSPACE,
            captures: None,
            identity: Identity::default(),
            timeline,
            directory,
            state: State::default(),
            upstream_address: None,
            buffer_response: false,
        }
    }

    /// Sets Consumer and credential and tells the upstream by headers (`kong.client.authenticate`). `identifier`
    /// goes to `X-Credential-Identifier`.
    pub fn authenticate(
        &mut self,
        consumer: Option<Arc<Consumer>>,
        credential: Option<Arc<Credential>>,
        identifier: Option<&str>,
    ) {
        let anonymous = credential.is_none() && consumer.is_some();
        write_identity(&mut self.request.headers, consumer.as_deref(), identifier, anonymous);
        self.identity.consumer = consumer;
        self.identity.credential = credential;
    }

    /// Makes an answer this Exchange's response, replacing what was there.
    pub fn answer(&mut self, answer: Answer, templates: &crate::ErrorTemplates) {
        self.response = answer.render(&self.request, &self.id, templates);
    }
}

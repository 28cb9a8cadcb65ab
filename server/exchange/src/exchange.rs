//! The Exchange itself.

use crate::answer::{Answer, AnswerBody};
use crate::directory::{Consumer, Credential, Directory, write_identity};
use crate::log_entry::LogValues;
use crate::matched::{MatchedRoute, Place};
use crate::state::State;
use crate::trace::TraceContext;
use crate::{Forward, Request, RequestId, Response, Timeline};
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Response header by which an error answer of a traced request names its trace: 32 hexadecimal digits.
pub const TRACE_ID: &str = "X-Trace-Id";

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

/// Groups of the regular expression by which a Route matched, copied out of the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    /// By number; 0 is the whole matched text.
    pub numbered: Vec<Option<Vec<u8>>>,
    /// Those that have a name and took part, by name.
    pub named: Vec<(String, Vec<u8>)>,
}

impl From<router::Captures<'_>> for Captures {
    fn from(captures: router::Captures<'_>) -> Self {
        Self {
            numbered: captures.numbered.into_iter().map(|group| group.map(<[u8]>::to_vec)).collect(),
            named: captures.named.into_iter().map(|(name, group)| (name.to_owned(), group.to_vec())).collect(),
        }
    }
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
    pub route: Option<MatchedRoute>,
    /// Its Service.
    pub service: Option<Arc<entities::Service>>,
    /// Workspace of the Route; the default one before routing.
    pub workspace: Uuid,
    /// Captures of the Route's regular expression.
    pub captures: Option<Box<Captures>>,
    /// Who asks.
    pub identity: Identity,
    /// Its place in a distributed trace; `None` where nobody traces.
    pub trace: Option<TraceContext>,
    /// When what happened.
    pub timeline: Timeline,
    /// Who is known here: the Snapshot this request sees from begin to end.
    pub directory: Arc<dyn Directory>,
    /// What plugins remember.
    pub state: State,
    /// What plugins want the log entry to say.
    pub log_values: LogValues,
    /// The address that answered, or was tried last.
    pub upstream_address: Option<SocketAddr>,
    /// What only sessions of the stream subsystem have; `None` for requests.
    pub session: Option<Box<crate::Session>>,
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
            trace: None,
            timeline,
            directory,
            state: State::default(),
            log_values: LogValues::default(),
            upstream_address: None,
            session: None,
            buffer_response: false,
        }
    }

    /// Makes this the Exchange of another request, which the caller has put (or is about to put) into `request`: what
    /// is left of the one before is forgotten, the memory is kept.
    pub fn renew(&mut self, timeline: Timeline, directory: Arc<dyn Directory>) {
        self.id = RequestId::fresh();
        self.trace = None;
        self.timeline = timeline;
        self.directory = directory;
    }

    /// Forgets a request that is over, so that nothing of it (buffers, entities, state) stays alive but the directory,
    /// which [`Exchange::renew`] replaces.
    pub fn retire(&mut self) {
        let request = &mut self.request;
        request.method.clear();
        request.target.clear();
        request.path.clear();
        request.query = None;
        request.headers.clear();
        request.body = crate::Body::Empty;
        request.content_length = None;
        request.host.clear();
        request.host_port = None;
        request.tls = None;
        request.body_bytes = 0;
        let forward = &mut self.forward;
        forward.host.clear();
        forward.path.clear();
        forward.query = None;
        forward.host_header = None;
        forward.stripped_prefix.clear();
        forward.instead = None;
        let response = &mut self.response;
        response.status = 0;
        response.reason = bytes::Bytes::new();
        response.headers.clear();
        response.source = crate::response::Source::default();
        response.body = bytes::Bytes::new();
        response.trailers = None;
        response.upstream_status = 0;
        response.head_sent = 0;
        response.body_sent = 0;
        self.route = None;
        self.service = None;
        self.workspace = entities::DEFAULT_WORKSPACE;
        self.captures = None;
        self.identity = Identity::default();
        self.trace = None;
        self.state.clear();
        self.log_values.clear();
        self.upstream_address = None;
        self.session = None;
        self.buffer_response = false;
    }

    /// The Route that matched, all of it.
    pub fn route_entity(&self) -> Option<&Arc<entities::Route>> {
        match &self.route.as_ref()?.place {
            Place::Number(number) => self.directory.route(*number),
            Place::Here(route) => Some(route),
        }
    }

    /// The same request for who looks at it after it is over: without what plugins remember, and without a body that
    /// has passed.
    pub fn kept(&self) -> Self {
        Self {
            id: self.id,
            request: self.request.kept(),
            forward: self.forward.clone(),
            response: self.response.clone(),
            route: self.route.clone(),
            service: self.service.clone(),
            workspace: self.workspace,
            captures: self.captures.clone(),
            identity: self.identity.clone(),
            trace: self.trace,
            timeline: self.timeline.clone(),
            directory: self.directory.clone(),
            state: State::default(),
            log_values: self.log_values.clone(),
            upstream_address: self.upstream_address,
            session: self.session.clone(),
            buffer_response: self.buffer_response,
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

    /// Whether the response is an upstream's.
    pub fn is_proxied(&self) -> bool {
        self.response.source == crate::Source::Service && self.response.upstream_status != 0
    }

    /// Makes an answer this Exchange's response, replacing what was there.
    pub fn answer(&mut self, answer: Answer, templates: &crate::ErrorTemplates) {
        let is_error = matches!(answer.body, AnswerBody::Error(_));
        self.response = answer.render(&self.request, &self.id, templates);
        if let Some(trace) = self.trace.filter(|trace| is_error && trace.sampled) {
            self.response.headers.set(TRACE_ID, trace.trace_id.to_string());
        }
    }
}

//! A plugin of a server: each of its phases is an event there, and each function of the kit that it asks for is
//! answered from the request.

use crate::connection::CallError;
use crate::described::Protocol;
use crate::instances::Instances;
use crate::protobuf;
use crate::server::{Lease, Server};
use crate::wire;
use exchange::{About, Answer, Chunk, Exchange, Flow, Instance, Phases, Services, Source, Step};
use lua::{Kit, Phase};
use rmpv::Value;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long one phase may take, whatever it asks for.
const LONGEST: Duration = Duration::from_secs(60);
/// What a phase that is over says instead of asking.
const OVER: &str = "ret";
/// How a server begins to say that it does not know an instance.
const UNKNOWN: &str = "no plugin instance";
/// Phases that such plugins may have and that are run here, with the phases of an Exchange that they take part in.
const PHASES: [(Phase, Phases); 5] = [
    (Phase::Certificate, Phases::CERTIFICATE),
    // What these say of the response's head is done when there is one.
    (Phase::Rewrite, Phases::REWRITE.and(Phases::HEADER_FILTER)),
    (Phase::Access, Phases::ACCESS.and(Phases::HEADER_FILTER)),
    (Phase::Response, Phases::ACCESS.and(Phases::RESPONSE).and(Phases::HEADER_FILTER)),
    (Phase::Log, Phases::LOG),
];

/// What is known of such a plugin, whatever its configuration.
pub struct Facts {
    /// Its name.
    pub name: &'static str,
    /// Larger runs first.
    pub priority: i32,
    /// Its server.
    pub server: Arc<Server>,
    has: Vec<Phase>,
}

impl Facts {
    /// With the phases of these names.
    pub fn new(name: &'static str, priority: i32, server: Arc<Server>, phases: &[String]) -> Self {
        for phase in phases {
            if !PHASES.iter().any(|(known, _)| known.name() == phase) {
                tracing::warn!("plugin '{name}': its phase '{phase}' is not run by this gateway");
            }
        }
        let has = PHASES.iter().map(|(phase, _)| *phase).filter(|phase| phases.iter().any(|name| name == phase.name()));
        Self { name, priority, server, has: has.collect() }
    }

    fn has(&self, phase: Phase) -> bool {
        self.has.contains(&phase)
    }
}

/// A configured plugin.
pub struct External {
    phases: Phases,
    configured: Arc<Configured>,
}

struct Configured {
    facts: &'static Facts,
    id: Uuid,
    node_id: Uuid,
    instances: Instances,
}

impl External {
    /// For a configuration.
    pub fn new(facts: &'static Facts, config: &Json, about: &About, services: &Services) -> Self {
        let own = PHASES.iter().filter(|(phase, _)| facts.has(*phase));
        let phases = own.fold(Phases::default(), |all, (_, phases)| all.and(*phases));
        let config = lua::told(config, about).to_string();
        let instances = Instances::new(facts.server.clone(), facts.name, config);
        let configured = Configured { facts, id: about.id, node_id: services.node_id, instances };
        Self { phases, configured: Arc::new(configured) }
    }

    fn step<'a>(&'a self, phase: Phase, exchange: &'a mut Exchange) -> Step<'a> {
        match self.configured.facts.has(phase) {
            true => Step::Wait(Box::pin(self.configured.run(phase, exchange))),
            false => Step::NEXT,
        }
    }
}

impl Configured {
    async fn run(&self, phase: Phase, exchange: &mut Exchange) -> Flow {
        let begun = Kit::begin((self.facts.name, self.id), self.node_id, phase, exchange);
        let kit = match begun {
            Ok(kit) => kit,
            Err(error) => return self.failed(phase, &error),
        };
        let handled = async {
            match self.facts.server.protocol {
                Protocol::MessagePack => self.handled(phase, &kit, exchange).await,
                Protocol::ProtoBuf => protobuf::handle(&self.instances, phase, &kit, exchange).await,
            }
        };
        let handled = tokio::time::timeout(LONGEST, handled).await;
        match handled.unwrap_or(Err(CallError::Timeout(LONGEST))) {
            Ok(()) => kit.end(exchange),
            Err(error) => self.failed(phase, &error.to_string()),
        }
    }

    fn failed(&self, phase: Phase, error: &str) -> Flow {
        let (name, server) = (self.facts.name, &self.facts.server.name);
        tracing::error!("[{name}] {} failed at plugin server '{server}': {error}", phase.name());
        Answer { source: Source::Error, ..Answer::message(500, "An unexpected error occurred") }.into()
    }

    /// An event from its begin to its end.
    async fn handled(&self, phase: Phase, kit: &Kit, exchange: &mut Exchange) -> Result<(), CallError> {
        let mut lease = self.instances.server().lease().await?;
        let mut step = self.begun(phase, &mut lease).await?;
        while let Some((function, arguments)) = asked(&step)? {
            let answered = kit.ask(exchange, function, arguments).await;
            // The server ends such an event by itself.
            if kit.has_ended() {
                break;
            }
            let (method, data) = match answered {
                Ok(value) => (wire::step(function), value),
                Err(error) => ("plugin.StepError", error.into()),
            };
            let event = wire::member(&step, "EventId").clone();
            step = lease.call(method, wire::map([("EventId", event), ("Data", data)])).await?;
        }
        lease.give_back();
        Ok(())
    }

    /// Begins an event; once more where the server has forgotten the instance.
    async fn begun(&self, phase: Phase, lease: &mut Lease) -> Result<Value, CallError> {
        let mut again = true;
        loop {
            let id = self.instances.id(lease).await?;
            let event = wire::map([("InstanceId", id.into()), ("EventName", phase.name().into())]);
            match lease.call("plugin.HandleEvent", event).await {
                Err(CallError::Refused(error)) if again && error.starts_with(UNKNOWN) => {
                    self.instances.forget(id);
                    again = false;
                }
                outcome => return outcome,
            }
        }
    }
}

/// The function that an event asks for, with its arguments; none where it is over.
fn asked(step: &Value) -> Result<Option<(&str, &[Value])>, CallError> {
    let data = wire::member(step, "Data");
    if data.as_str() == Some(OVER) {
        return Ok(None);
    }
    let Some(function) = wire::member(data, "Method").as_str() else {
        return Err(CallError::Refused(format!("an event asks for no function: {}", wire::text(data))));
    };
    let arguments = match wire::member(data, "Args") {
        Value::Array(arguments) => arguments.as_slice(),
        Value::Nil => &[],
        one => std::slice::from_ref(one),
    };
    Ok(Some((function, arguments)))
}

impl Instance for External {
    fn name(&self) -> &'static str {
        self.configured.facts.name
    }

    fn priority(&self) -> i32 {
        self.configured.facts.priority
    }

    fn phases(&self) -> Phases {
        self.phases
    }

    fn certificate<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.step(Phase::Certificate, exchange)
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.step(Phase::Rewrite, exchange)
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        exchange.buffer_response |= self.configured.facts.has(Phase::Response);
        self.step(Phase::Access, exchange)
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        lua::settle(exchange);
        self.step(Phase::Response, exchange)
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        lua::settle(exchange);
        Flow::Next
    }

    fn body_filter(&self, _: &mut Exchange, _: &mut Chunk) {}

    /// The request is over, and is not there any more when the server asks: it is told of a copy.
    fn log(&self, exchange: &Exchange) {
        if !self.configured.facts.has(Phase::Log) {
            return;
        }
        let mut kept = exchange.kept();
        Kit::remember(exchange, &mut kept);
        let configured = self.configured.clone();
        tokio::task::spawn_local(async move {
            configured.run(Phase::Log, &mut kept).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_ask_for_functions() {
        let step = |data: Value| wire::map([("EventId", 1.into()), ("Data", data)]);
        let call = |arguments: Value| step(wire::map([("Method", "kong.log".into()), ("Args", arguments)]));
        assert!(asked(&step(OVER.into())).expect("over").is_none());
        for (arguments, expected) in [
            (Value::Nil, vec![]),
            ("a".into(), vec!["a".into()]),
            (Value::Array(vec!["a".into(), 1.into()]), vec!["a".into(), 1.into()]),
        ] {
            let step = call(arguments);
            assert_eq!(asked(&step).expect("asked"), Some(("kong.log", &expected[..])));
        }
        for data in [Value::Nil, "other".into(), wire::map([("Args", Value::Nil)])] {
            assert!(asked(&step(data)).is_err());
        }
    }
}

//! The protocol `ProtoBuf:1`, which Kong's kit for Go speaks: frames, each after its length (32 bits, little endian).
//!
//! A call is a frame and is answered by one. While an event runs, its plugin asks for functions of the kit: the name in
//! one frame, the argument in the next, and one frame is the answer; an empty name is the event's end. What a server does
//! not like it says by closing the connection.

mod functions;
mod messages;
mod values;

use crate::connection::CallError;
use crate::instances::Instances;
use crate::server::Lease;
use exchange::Exchange;
use lua::{Kit, Phase};
use messages::{Call, CloseInstance, HandleEvent, RpcCall, RpcReturn, StartInstance};
use prost::Message;

fn encoded(call: Call) -> Vec<u8> {
    RpcCall { sequence: 1, call: Some(call) }.encode_to_vec()
}

/// Starts an instance with a configuration (JSON text); its number, where it has one.
pub async fn start(lease: &mut Lease, plugin: &str, config: &str) -> Result<Option<i64>, CallError> {
    let call = StartInstance { name: plugin.to_owned(), config: config.as_bytes().to_vec() };
    lease.send(&encoded(Call::Start(call))).await?;
    let started = RpcReturn::decode(lease.receive().await?.as_slice())?;
    Ok(started.instance_status.map(|status| status.instance_id.into()))
}

/// Closes an instance.
pub async fn close(lease: &mut Lease, instance: i64) -> Result<(), CallError> {
    lease.send(&encoded(Call::Close(CloseInstance { instance_id: number(instance) }))).await?;
    lease.receive().await.map(drop)
}

/// An event from its begin to its end; begun once more where the server has forgotten the instance.
pub async fn handle(instances: &Instances, phase: Phase, kit: &Kit, exchange: &mut Exchange) -> Result<(), CallError> {
    let mut again = true;
    loop {
        let mut lease = instances.server().lease().await?;
        let id = instances.id(&mut lease).await?;
        let event = HandleEvent { instance_id: number(id), event_name: phase.name().to_owned() };
        lease.send(&encoded(Call::Event(event))).await?;
        let function = match lease.receive().await {
            Err(CallError::Closed) if again => {
                instances.forget(id);
                again = false;
                continue;
            }
            function => function?,
        };
        if serve(&mut lease, function, kit, exchange).await? {
            // Nothing is in what is returned for an event.
            lease.receive().await?;
            lease.give_back();
        }
        return Ok(());
    }
}

/// Answers what an event asks for, beginning with this function, to its end; false where a function has ended the phase,
/// and with it the connection.
async fn serve(
    lease: &mut Lease,
    mut function: Vec<u8>,
    kit: &Kit,
    exchange: &mut Exchange,
) -> Result<bool, CallError> {
    while !function.is_empty() {
        let name = String::from_utf8_lossy(&function).into_owned();
        let argument = lease.receive().await?;
        let Some(shape) = functions::shape(&name) else {
            return Err(CallError::Refused(format!("there is no function '{name}' in this protocol")));
        };
        let arguments = shape.arguments(&argument)?;
        let answered = kit.results(exchange, &name, &arguments).await;
        if kit.has_ended() {
            return Ok(false);
        }
        let (result, error) = answered.map_err(|error| CallError::Refused(format!("{name}: {error}")))?;
        lease.send(&shape.answer(&result, error)).await?;
        function = lease.receive().await?;
    }
    Ok(true)
}

/// A number of an instance, which this protocol has in 32 bits.
fn number(instance: i64) -> i32 {
    i32::try_from(instance).unwrap_or_default()
}

// SPDX-License-Identifier: MIT
//
// The newest release's direct services: no broker takes part, but they speak the frames and probes of backends.
use super::*;
use running_process::broker::backend_sdk::{PollingFrameClient, ServiceServer, ServiceSpec, ServiceState};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);
const HEALTH: Duration = Duration::from_millis(50);

fn spec(state: &str, name: &str, lane: u32) -> Fallible<ServiceSpec> {
    Ok(ServiceSpec::new(name, "1.0.0", lane)?.runtime_dir(Some(state.into())).health_interval(HEALTH))
}

fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Fallible<T> {
    let begun = Instant::now();
    loop {
        match condition() {
            Some(value) => return Ok(value),
            None if begun.elapsed() > LIMIT => return Err(format!("waited in vain for {what}").into()),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Where a service of that name has to listen and to put its identity file.
pub fn place(args: &[String]) -> Fallible<()> {
    let [state, name] = args else { usage() };
    let spec = spec(state, name, 0xF001)?;
    println!("endpoint={}\nidentity={}", spec.endpoint()?.path, spec.identity_path().display());
    Ok(())
}

/// Sends everything at once, collects the replies, then stays for some health probes.
pub fn client(args: &[String]) -> Fallible<()> {
    let (Some(state), Some(name), [(lane, _), ..]) = (args.first(), args.get(1), &exchanges(&args[2..])[..]) else {
        usage()
    };
    let client = PollingFrameClient::connect(spec(state, name, *lane)?, 64)?;
    wait_for("the service", || (client.state() == ServiceState::Up).then_some(()))?;
    let frames = exchanges(&args[2..]);
    for (_, payload) in &frames {
        client.send(payload.clone())?;
    }
    for _ in &frames {
        let reply = wait_for("a reply", || client.try_recv())?;
        println!("reply={} {lane} {}", reply.request_id, hex(&reply.result?));
    }
    std::thread::sleep(HEALTH * 6);
    println!("state={:?}", client.state());
    Ok(())
}

/// Echoes until stdin ends.
pub fn serve(args: &[String]) -> Fallible<()> {
    let [state, name, lane] = args else { usage() };
    let server = std::sync::Arc::new(ServiceServer::bind(spec(state, name, number(lane))?)?);
    let worker = server.clone();
    std::thread::spawn(move || {
        while let Some(request) = worker.recv(None) {
            let payload = request.payload().to_vec();
            let _ = request.reply(payload);
        }
    });
    println!("serving=yes");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    server.close();
    Ok(())
}

// SPDX-License-Identifier: MIT
//
// The reference implementation's published client as a command, one call of its library a subcommand. What it returns
// is printed as `name=value` lines (bytes in hex); what it refuses as `error=` and the details. Exit status: 0 done, 1
// the library returned an error, 2 usage. The test decides what is right; nothing is judged here.
use prost::Message;
use running_process::broker::backend_handle::{BackendHandle, Connection};
use running_process::broker::client::{
    connect_to_backend, send_admin_request, BackendConnection, BackendConnectionRoute, BrokerClientError,
    ConnectBackendRequest,
};
use running_process::broker::lifecycle::{names, sid};
use running_process::broker::protocol::{self as pb, hello_reply::Result as Answer, read_frame, write_frame};
use std::io::{Read, Write};
use std::process::exit;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: their-client version
       their-client connect|session|async BROKER SERVICE VERSION [OPTION=VALUE]... [LANE HEX]...
           (self=VERSION cached=PATH adopt=1 keepalive=SECONDS repeat=TIMES)
       their-client range BROKER SERVICE VERSION MIN MAX
       their-client endpoint shared|private:SERVICE|explicit:NAME
       their-client admin BROKER VERB [json]
       their-client probe|probe-async MANIFEST [LANE HEX]
       their-client frames|frames-async ENDPOINT [LANE HEX]...
       their-client sidecar FILE
       their-client direct-place|direct|direct-serve STATE-DIRECTORY SERVICE [LANE [HEX [LANE HEX]...]]
       their-client define DIRECTORY SERVICE PROGRAM PROGRAM-DIRECTORY MIN-VERSION
       their-client recode MESSAGE   (records of u32 length and bytes on stdin, likewise on stdout)";

fn usage() -> ! {
    eprintln!("{USAGE}");
    exit(2)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or_else(|| usage()), 16);
    (0..text.len()).step_by(2).map(|at| digit(at).unwrap_or_else(|_| usage())).collect()
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| usage())
}

/// Lane and payload, pair by pair.
fn exchanges(args: &[String]) -> Vec<(u32, Vec<u8>)> {
    if args.len() % 2 != 0 {
        usage();
    }
    args.chunks(2).map(|pair| (number(&pair[0]), unhex(&pair[1]))).collect()
}

/// What to connect to, how often, and what to say there.
struct Plan<'a> {
    request: ConnectBackendRequest<'a>,
    repeat: u32,
    frames: Vec<(u32, Vec<u8>)>,
}

fn plan(args: &[String]) -> Plan<'_> {
    if args.len() < 3 {
        usage();
    }
    let mut request = ConnectBackendRequest::new(&args[0], &args[1], &args[2], "");
    let mut repeat = 1;
    let mut at = 3;
    while let Some((name, value)) = args.get(at).and_then(|arg| arg.split_once('=')) {
        match name {
            "self" => request.self_version = value,
            "cached" => request.cached_backend_endpoint = Some(value),
            "adopt" => request.adopt_handed_off_connection = value == "1",
            "repeat" => repeat = number(value),
            "keepalive" => request.client_keepalive_secs = number(value).into(),
            _ => usage(),
        }
        at += 1;
    }
    Plan { request, repeat, frames: exchanges(&args[at..]) }
}

fn show_route(route: BackendConnectionRoute, endpoint: &str, negotiated: Option<&pb::Negotiated>) {
    println!("route={route:?}\nendpoint={endpoint}");
    if let Some(negotiated) = negotiated {
        println!("negotiated={}", hex(&negotiated.encode_to_vec()));
    }
}

fn show_reply(frame: &pb::Frame) {
    println!("reply={} {} {}", frame.request_id, frame.payload_protocol, hex(&frame.payload));
}

/// One exchange on a connected stream, with nothing of the library but the framing.
fn exchange<S: Read + Write>(stream: &mut S, id: u64, lane: u32, payload: Vec<u8>) -> Fallible<()> {
    let frame =
        pb::Frame { envelope_version: 1, payload_protocol: lane, payload, request_id: id, ..Default::default() };
    write_frame(stream, &frame.encode_to_vec())?;
    show_reply(&pb::Frame::decode(read_frame(stream)?.as_slice())?);
    Ok(())
}

fn connect(args: &[String]) -> Fallible<()> {
    let Plan { request, repeat, frames } = plan(args);
    for _ in 1..repeat {
        connect_to_backend(request.clone())?;
    }
    let BackendConnection { mut stream, endpoint, route, negotiated } = connect_to_backend(request)?;
    show_route(route, &endpoint, negotiated.as_ref());
    for (id, (lane, payload)) in (1..).zip(frames) {
        exchange(&mut stream, id, lane, payload)?;
    }
    Ok(())
}

/// A Hello with a protocol range of one's own, which no call of the library sends.
fn range(args: &[String]) -> Fallible<()> {
    let [broker, service, version, min, max] = args else { usage() };
    let hello = pb::Hello {
        client_min_protocol: number(min),
        client_max_protocol: number(max),
        service_name: service.clone(),
        wanted_version: version.clone(),
        ..Default::default()
    };
    let frame = pb::Frame { envelope_version: 1, payload: hello.encode_to_vec(), request_id: 1, ..Default::default() };
    let endpoint = pb::Endpoint { namespace_id: String::new(), path: broker.clone() };
    let mut stream = Connection::connect(&endpoint)?.into_inner();
    write_frame(&mut stream, &frame.encode_to_vec())?;
    let frame = pb::Frame::decode(read_frame(&mut stream)?.as_slice())?;
    match pb::HelloReply::decode(frame.payload.as_slice())?.result {
        Some(Answer::Refused(refused)) => Err(BrokerClientError::Refused {
            code: pb::ErrorCode::try_from(refused.code)?,
            reason: refused.reason,
            retry_after_ms: refused.retry_after_ms,
        })?,
        other => println!("answer={other:?}"),
    }
    Ok(())
}

/// Where it looks for the broker of an instance.
fn endpoint(args: &[String]) -> Fallible<()> {
    let user = sid::user_sid_hash()?;
    let path = match args.first().unwrap_or_else(|| usage()).split_once(':') {
        None => names::shared_broker_pipe(&user)?,
        Some(("private", service)) => names::private_broker_pipe(&user, service)?,
        Some(("explicit", name)) => names::explicit_instance_pipe(&user, name)?,
        Some(_) => usage(),
    };
    println!("endpoint={}", path.unix.ok_or("no path")?.display());
    Ok(())
}

fn admin(args: &[String]) -> Fallible<()> {
    if args.len() < 2 {
        usage();
    }
    let json = args.get(2).is_some_and(|arg| arg == "json");
    let request = pb::AdminRequest { verb: number(&args[1]) as i32, json, ..Default::default() };
    let reply = send_admin_request(&args[0], request)?;
    println!("kind={}\nexit_code={}\ncontent_type={}", reply.kind, reply.exit_code, reply.content_type);
    println!("body={}", hex(reply.body.as_bytes()));
    Ok(())
}

fn manifest(args: &[String]) -> Fallible<pb::CacheManifest> {
    Ok(pb::CacheManifest::decode(std::fs::read(args.first().unwrap_or_else(|| usage()))?.as_slice())?)
}

fn show_handle(handle: &BackendHandle, args: &[String]) -> Fallible<()> {
    let daemon = &handle.daemon_process;
    println!("service={} {}\nalive={}", handle.service_name, handle.service_version, handle.is_alive());
    println!("pid={}\nexe_path={}", daemon.pid, daemon.exe_path.display());
    for (lane, payload) in exchanges(&args[1..]) {
        exchange(&mut Connection::connect(&daemon.ipc_endpoint)?.into_inner(), 1, lane, payload)?;
    }
    Ok(())
}

fn probe(args: &[String]) -> Fallible<()> {
    match BackendHandle::try_from_manifest(&manifest(args)?)? {
        Some(handle) => show_handle(&handle, args),
        None => Err("the manifest names no daemon".into()),
    }
}

fn recode_as<M: Message + Default>() -> Fallible<()> {
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut bytes)?;
        let again = M::decode(bytes.as_slice()).ok().map(|message| message.encode_to_vec());
        out.write_all(&again.as_ref().map_or(u32::MAX, |bytes| bytes.len() as u32).to_le_bytes())?;
        out.write_all(&again.unwrap_or_default())?;
    }
    Ok(())
}

macro_rules! recode {
    ($wanted:expr, $($message:ident)*) => {
        match $wanted { $(stringify!($message) => recode_as::<pb::$message>(),)* _ => usage() }
    };
}

fn recode(args: &[String]) -> Fallible<()> {
    recode!(args.first().unwrap_or_else(|| usage()).as_str(), Frame Hello HelloReply Negotiated Refused HandoffOffer
        HandoffAck AdminRequest AdminReply Endpoint DaemonProcess CacheManifest ServiceDefinition LifecycleEvent)
}

#[cfg(feature = "session")]
mod direct;

#[cfg(feature = "session")]
mod session {
    use super::*;
    use running_process::broker::adopt::{AdoptError, BrokerSession};
    use running_process::broker::backend_sdk::{try_read_daemon_identity_file, FrameClient};
    use running_process::broker::builders::ServiceDefinitionBuilder;

    /// Several frames through the session, then the bare socket taken out of it.
    pub fn session(args: &[String]) -> Fallible<()> {
        let Plan { request, repeat, frames } = plan(args);
        for _ in 1..repeat {
            BrokerSession::adopt(request.clone())?;
        }
        let mut session = BrokerSession::adopt(request)?;
        show_route(session.route(), session.endpoint(), session.negotiated());
        for (lane, payload) in frames {
            show_reply(&session.request(lane, payload)?);
        }
        let mut bare = std::os::unix::net::UnixStream::from(session.into_backend_io()?.into_owned_fd());
        println!("bare={}", bare.peer_addr()?.as_pathname().map_or("?".into(), |path| path.display().to_string()));
        bare.flush()?;
        Ok(())
    }

    pub fn frames(args: &[String]) -> Fallible<()> {
        let path = args.first().unwrap_or_else(|| usage()).clone();
        let mut client = FrameClient::connect(&pb::Endpoint { namespace_id: "shared".into(), path })?;
        for (lane, payload) in exchanges(&args[1..]) {
            show_reply(&client.request(lane, payload)?);
        }
        println!("buffered={}\nnext={}", client.buffered_len(), client.next_request_id());
        Ok(())
    }

    pub fn sidecar(args: &[String]) -> Fallible<()> {
        let [file] = args else { usage() };
        let daemon = try_read_daemon_identity_file(std::path::Path::new(file))?.ok_or("there is no such file")?;
        println!("namespace={}\npath={}", daemon.ipc_endpoint.namespace_id, daemon.ipc_endpoint.path);
        println!("idle_timeout_secs={:?}\nhash={}", daemon.idle_timeout_secs, hex(&daemon.exe_hash));
        match BackendHandle::probe(&daemon.ipc_endpoint, &daemon) {
            Some(handle) => println!("pid={}\nalive={}", handle.daemon_process.pid, handle.is_alive()),
            None => println!("alive=nobody"),
        }
        Ok(())
    }

    pub fn define(args: &[String]) -> Fallible<()> {
        let [directory, service, program, programs, min_version] = args else { usage() };
        let builder = ServiceDefinitionBuilder::shared_broker(service, program)
            .per_version_binary_dir(programs)
            .min_version(min_version)
            .label("made", "there");
        println!("path={}", builder.install_in(std::path::Path::new(directory))?.display());
        Ok(())
    }

    /// The errors that a session adds, as a line; those of the client are left to the caller.
    pub fn unwrap(error: Box<dyn std::error::Error>) -> Box<dyn std::error::Error> {
        match error.downcast::<AdoptError>().map(|error| *error) {
            Ok(AdoptError::Connect(inner)) => inner.into(),
            Ok(AdoptError::BrokerDisabled) => "BrokerDisabled".into(),
            Ok(AdoptError::DisableEnv(inner)) => format!("DisableEnv: {inner}").into(),
            Ok(other) => other.into(),
            Err(error) => error,
        }
    }

    pub fn show_kind(error: &BrokerClientError) {
        println!("refusal={:?}", error.refusal_kind());
    }
}

#[cfg(feature = "async")]
mod asynchronous {
    use super::*;
    use running_process::broker::adopt::{AsyncBrokerSession, OwnedConnectRequest};
    use running_process::broker::backend_handle::DaemonProcess;
    use running_process::broker::backend_sdk::AsyncFrameClient;

    fn run<T>(future: impl std::future::Future<Output = Fallible<T>>) -> Fallible<T> {
        tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(future)
    }

    pub fn session(args: &[String]) -> Fallible<()> {
        let Plan { request: wanted, repeat, frames } = plan(args);
        let mut owned = OwnedConnectRequest::new(
            wanted.broker_endpoint,
            wanted.service_name,
            wanted.wanted_version,
            wanted.self_version,
        );
        owned.cached_backend_endpoint = wanted.cached_backend_endpoint.map(str::to_owned);
        owned.adopt_handed_off_connection = wanted.adopt_handed_off_connection;
        owned.client_keepalive_secs = wanted.client_keepalive_secs;
        run(async {
            for _ in 1..repeat {
                AsyncBrokerSession::adopt(owned.clone()).await?;
            }
            let mut session = AsyncBrokerSession::adopt(owned).await?;
            show_route(session.route(), session.endpoint(), session.negotiated());
            for (lane, payload) in frames {
                show_reply(&session.request(lane, payload).await?);
            }
            Ok(())
        })
    }

    pub fn frames(args: &[String]) -> Fallible<()> {
        let path = args.first().unwrap_or_else(|| usage()).clone();
        run(async {
            let mut client = AsyncFrameClient::connect(&pb::Endpoint { namespace_id: "shared".into(), path }).await?;
            for (lane, payload) in exchanges(&args[1..]) {
                show_reply(&client.request(lane, payload).await?);
            }
            println!("next={}", client.next_request_id().unwrap_or(0));
            Ok(())
        })
    }

    pub fn probe(args: &[String]) -> Fallible<()> {
        let manifest = manifest(args)?;
        let daemon = DaemonProcess::from_manifest_current_daemon(&manifest)?.ok_or("the manifest names no daemon")?;
        let (service, version) = (manifest.service_name, manifest.service_version);
        let handle = run(async {
            Ok(BackendHandle::probe_with_service_async(service, version, &daemon.ipc_endpoint, &daemon).await?)
        })?;
        show_handle(&handle, args)
    }
}

fn version() -> Fallible<()> {
    println!("version={}", ConnectBackendRequest::new("", "", "", "").client_lib_version);
    Ok(())
}

fn show_error(error: Box<dyn std::error::Error>) {
    #[cfg(feature = "session")]
    let error = session::unwrap(error);
    if let Some(client) = error.downcast_ref::<BrokerClientError>() {
        #[cfg(feature = "session")]
        session::show_kind(client);
        if let BrokerClientError::Refused { code, reason, retry_after_ms } = client {
            println!("code={}\nreason={reason}\nretry_after_ms={retry_after_ms}", *code as i32);
        }
        let shown = format!("{client:?}");
        println!("error={}", shown.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("?"));
    } else {
        println!("error={error}");
    }
}

fn main() {
    let all: Vec<String> = std::env::args().skip(1).collect();
    let (command, args) = all.split_first().unwrap_or_else(|| usage());
    let done = match command.as_str() {
        "version" => version(),
        "connect" => connect(args),
        "range" => range(args),
        "endpoint" => endpoint(args),
        "admin" => admin(args),
        "probe" => probe(args),
        "recode" => recode(args),
        #[cfg(feature = "session")]
        "session" => session::session(args),
        #[cfg(feature = "session")]
        "direct-place" => direct::place(args),
        #[cfg(feature = "session")]
        "direct" => direct::client(args),
        #[cfg(feature = "session")]
        "direct-serve" => direct::serve(args),
        #[cfg(feature = "session")]
        "frames" => session::frames(args),
        #[cfg(feature = "session")]
        "sidecar" => session::sidecar(args),
        #[cfg(feature = "session")]
        "define" => session::define(args),
        #[cfg(feature = "async")]
        "async" => asynchronous::session(args),
        #[cfg(feature = "async")]
        "frames-async" => asynchronous::frames(args),
        #[cfg(feature = "async")]
        "probe-async" => asynchronous::probe(args),
        _ => usage(),
    };
    if let Err(error) = done {
        show_error(error);
        exit(1);
    }
}

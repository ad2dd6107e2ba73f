use std::net::TcpListener;

use tempfile::TempDir;

use super::*;

fn lines_of(listener: &TcpListener) -> impl Iterator<Item = String> + use<> {
    let (stream, _) = listener.accept().unwrap();
    BufReader::new(stream).lines().map(Result::unwrap)
}

fn packet(listener: &TcpListener, message: &str) -> String {
    let address = listener.local_addr().unwrap();
    format!("{{\"address\":\"{address}\",\"message\":{message}}}\n")
}

#[test]
fn lines_come_to_the_server_that_they_are_for() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let servers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let streamer = Streamer::start(&pipe, &Output::of_process()).unwrap();
    let mut envoy = OpenOptions::new().append(true).open(&pipe).unwrap();
    for packet in [
        packet(&servers[0], "\"plain\\n\""),
        packet(&servers[1], "{\"b\":1,\"a\":\"json\"}"),
        "what is no packet is no line\n".to_owned(),
        packet(&servers[0], "\"the last one\\n\""),
    ] {
        envoy.write_all(packet.as_bytes()).unwrap();
    }
    drop(envoy);
    streamer.finish();
    let [first, second] = servers.map(|server| lines_of(&server).collect::<Vec<_>>());
    assert_eq!(first, ["plain", "the last one"]);
    assert_eq!(second, ["{\"a\":\"json\",\"b\":1}"]);
}

#[test]
fn a_server_that_comes_back_gets_the_next_line() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let streamer = Streamer::start(&pipe, &Output::of_process()).unwrap();
    let mut envoy = OpenOptions::new().append(true).open(&pipe).unwrap();
    for line in ["one", "two"] {
        let packet = packet(&server, &format!("\"{line}\\n\""));
        envoy.write_all(packet.as_bytes()).unwrap();
        // Taken and closed at once.
        assert_eq!(lines_of(&server).next().as_deref(), Some(line));
    }
    drop(envoy);
    streamer.finish();
}

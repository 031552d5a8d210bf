//! A client of rustls for the tests of interoperation. It connects COUNT times, one after the
//! other, compares an echo of BYTES, and prints one line for each connection: version, cipher
//! suite, protocol, and the kind of the handshake.
//!
//! Arguments, each of them KEY=VALUE: address, host, root; version, alpn, cert, key, bytes, count,
//! fragment.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TIMEOUT: Duration = Duration::from_secs(10);
const PIECE: usize = 40_000; // three records

struct Arguments(HashMap<String, String>);

impl Arguments {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn required(&self, key: &str) -> Result<&str> {
        self.get(key)
            .ok_or_else(|| format!("{key}= is missing").into())
    }

    fn number(&self, key: &str, otherwise: usize) -> Result<usize> {
        Ok(self.get(key).map_or(Ok(otherwise), str::parse)?)
    }
}

fn settings(arguments: &Arguments) -> Result<ClientConfig> {
    let versions: &[&rustls::SupportedProtocolVersion] = match arguments.get("version") {
        Some("1.2") => &[&rustls::version::TLS12],
        Some("1.3") => &[&rustls::version::TLS13],
        _ => rustls::ALL_VERSIONS,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(arguments.required("root")?)? {
        roots.add(certificate?)?;
    }
    let builder =
        ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
    let mut config = match arguments.get("cert") {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let chain =
                CertificateDer::pem_file_iter(file)?.collect::<std::result::Result<_, _>>()?;
            let key = PrivateKeyDer::from_pem_file(arguments.required("key")?)?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    if let Some(protocols) = arguments.get("alpn") {
        config.alpn_protocols = protocols.split(',').map(Vec::from).collect();
    }
    if arguments.get("fragment").is_some() {
        config.max_fragment_size = Some(arguments.number("fragment", 0)?);
    }
    Ok(config)
}

fn talk(config: &Arc<ClientConfig>, arguments: &Arguments, data: &[u8]) -> Result<String> {
    let host = ServerName::try_from(arguments.required("host")?.to_owned())?;
    let socket = TcpStream::connect(arguments.required("address")?)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), host)?, socket);
    for piece in data.chunks(PIECE) {
        stream.write_all(piece)?;
        let mut received = vec![0; piece.len()];
        stream.read_exact(&mut received)?;
        if received != piece {
            return Err("other bytes came back".into());
        }
        if stream.conn.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
            stream.conn.refresh_traffic_keys()?;
        }
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?; // fails without close_notify of the server
    if !rest.is_empty() {
        return Err("more bytes came back than were sent".into());
    }
    Ok(format!(
        "{:?} {:?} alpn={} {:?}",
        stream.conn.protocol_version().ok_or("no version")?,
        stream
            .conn
            .negotiated_cipher_suite()
            .ok_or("no suite")?
            .suite(),
        String::from_utf8_lossy(stream.conn.alpn_protocol().unwrap_or_default()),
        stream.conn.handshake_kind().ok_or("no handshake")?,
    ))
}

fn main() -> Result<()> {
    let pairs = std::env::args().skip(1);
    let arguments = Arguments(
        pairs
            .filter_map(|pair| {
                pair.split_once('=')
                    .map(|(key, text)| (key.into(), text.into()))
            })
            .collect(),
    );
    let config = Arc::new(settings(&arguments)?);
    let size = arguments.number("bytes", 1000)?;
    let data: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
    for _ in 0..arguments.number("count", 1)? {
        println!("{}", talk(&config, &arguments, &data)?);
    }
    Ok(())
}

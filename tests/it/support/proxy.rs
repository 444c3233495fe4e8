//! A TCP proxy between a node and what it depends on, which can cut, refuse, hold and delay: a network that misbehaves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Url;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// As much as is forwarded, and delayed, at once.
const CHUNK: usize = 64 * 1024;

/// Which way bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Pass,
    /// Nothing arrives, not even that the other side has closed.
    Hold,
    /// Each chunk comes later, by half of this to all of it.
    Delay(Duration),
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    accepts: bool,
    /// How often all connections were cut.
    cuts: u64,
    to_server: Flow,
    to_client: Flow,
}

impl Rules {
    fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

#[derive(Clone, Debug)]
enum Target {
    Tcp(String),
    Unix(PathBuf),
}

/// Forwards from a port of its own; everything ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    open: watch::Sender<usize>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Before the server of `url` (`postgres://`, also one that names a Unix socket, or any other with host and port); with
    /// the URL under which it is reached through the proxy. `seed` decides the delays.
    pub async fn before(url: &str, seed: u64) -> (Self, String) {
        if !url.starts_with("postgres") {
            let mut through = Url::parse(url).expect("a URL");
            let port = through.port_or_known_default().expect("a port");
            let host = through.host_str().expect("a host").to_owned();
            let proxy = Self::start(Target::Tcp(format!("{host}:{port}")), seed).await;
            through.set_host(Some("127.0.0.1")).expect("a host");
            through.set_port(Some(proxy.address.port())).expect("a port");
            return (proxy, through.into());
        }
        let options = PgConnectOptions::from_str(url).expect("a database URL");
        let target = match options.get_socket() {
            Some(folder) => Target::Unix(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => Target::Tcp(format!("{}:{}", options.get_host(), options.get_port())),
        };
        let proxy = Self::start(target, seed).await;
        let mut through = Url::parse("postgres://127.0.0.1").expect("a URL");
        through.set_username(options.get_username()).expect("a user");
        let password = Url::parse(url).ok().and_then(|url| url.password().map(str::to_owned));
        through.set_password(password.as_deref()).expect("a password");
        through.set_port(Some(proxy.address.port())).expect("a port");
        through.set_path(options.get_database().unwrap_or_default());
        // Both ends are on this machine.
        through.set_query(Some("sslmode=disable"));
        (proxy, through.into())
    }

    async fn start(target: Target, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (rules, seen) =
            watch::channel(Rules { accepts: true, cuts: 0, to_server: Flow::Pass, to_client: Flow::Pass });
        let open = watch::Sender::new(0);
        let accepting = tokio::spawn(accept(listener, target, seen, open.clone(), seed));
        Proxy { address, rules, open, accepting }
    }

    /// Everything is as without it again: new connections, both directions, no delays. What was cut stays cut.
    pub fn pass(&self) {
        self.rules.send_modify(|rules| {
            *rules = Rules { accepts: true, to_server: Flow::Pass, to_client: Flow::Pass, ..*rules };
        });
    }

    /// Resets all connections, and every new one until [`Self::pass`].
    pub fn cut(&self) {
        self.rules.send_modify(|rules| {
            rules.accepts = false;
            rules.cuts += 1;
        });
    }

    /// Resets all connections; new ones are let through.
    pub fn cut_once(&self) {
        self.rules.send_modify(|rules| rules.cuts += 1);
    }

    /// Stops forwarding in one direction, of open connections and of new ones, while both ends believe in them.
    pub fn hold(&self, direction: Direction) {
        self.rules.send_modify(|rules| *rules.flow(direction) = Flow::Hold);
    }

    /// [`Self::hold`] both ways.
    pub fn hold_all(&self) {
        self.hold(Direction::ToServer);
        self.hold(Direction::ToClient);
    }

    /// Every chunk comes later, by half of `most` to all of it, both ways.
    pub fn delay(&self, most: Duration) {
        self.rules.send_modify(|rules| {
            rules.to_server = Flow::Delay(most);
            rules.to_client = Flow::Delay(most);
        });
    }

    /// Waits until the number of open connections is as wanted.
    pub async fn until_open(&self, wanted: impl Fn(usize) -> bool) -> usize {
        let mut open = self.open.subscribe();
        *open.wait_for(|count| wanted(*count)).await.expect("the proxy runs")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: Target,
    rules: watch::Receiver<Rules>,
    open: watch::Sender<usize>,
    seed: u64,
) {
    let mut connections = JoinSet::new();
    for number in 0_u64.. {
        let (client, _) = listener.accept().await.expect("the listener works");
        while connections.try_join_next().is_some() {}
        if !rules.borrow().accepts {
            reset(&client);
            continue;
        }
        let connection = Connection {
            target: target.clone(),
            rules: rules.clone(),
            random: StdRng::seed_from_u64(seed ^ number),
            _counted: Counted::new(&open),
        };
        connections.spawn(connection.run(client));
    }
}

/// Dropped after this, the stream is reset instead of closed.
fn reset(stream: &TcpStream) {
    // One that the other side has reset already is as good.
    let _ = stream.set_zero_linger();
}

/// One more open connection, until it is dropped.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|count| *count += 1);
        Counted(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

struct Connection {
    target: Target,
    rules: watch::Receiver<Rules>,
    random: StdRng,
    _counted: Counted,
}

impl Connection {
    async fn run(mut self, mut client: TcpStream) {
        match self.target.clone() {
            Target::Tcp(address) => match TcpStream::connect(address).await {
                Ok(mut server) => {
                    if self.forward(&mut client, &mut server).await {
                        reset(&client);
                        reset(&server);
                    }
                }
                Err(_) => reset(&client),
            },
            Target::Unix(path) => match UnixStream::connect(path).await {
                Ok(mut server) => {
                    if self.forward(&mut client, &mut server).await {
                        reset(&client);
                    }
                }
                Err(_) => reset(&client),
            },
        }
    }

    /// Until both ends have closed (false), or it is cut or broke (true).
    async fn forward(
        &mut self,
        client: &mut TcpStream,
        server: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> bool {
        // What was sent is sent: the proxy adds no waiting of its own.
        let _ = client.set_nodelay(true);
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = tokio::io::split(server);
        let mut cut = self.rules.clone();
        let cuts = cut.borrow().cuts;
        let up = Pump {
            direction: Direction::ToServer,
            rules: self.rules.clone(),
            random: StdRng::seed_from_u64(self.random.random()),
        };
        let down = Pump {
            direction: Direction::ToClient,
            rules: self.rules.clone(),
            random: StdRng::seed_from_u64(self.random.random()),
        };
        tokio::select! {
            ended = async { tokio::try_join!(up.run(from_client, to_server), down.run(from_server, to_client)) } => {
                ended.is_err()
            }
            _ = cut.wait_for(|rules| rules.cuts != cuts) => true,
        }
    }
}

struct Pump {
    direction: Direction,
    rules: watch::Receiver<Rules>,
    random: StdRng,
}

impl Pump {
    async fn run(
        mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = from.read(&mut chunk).await?;
            let flow = self.flowing().await;
            if let Flow::Delay(most) = flow {
                tokio::time::sleep(most.mul_f64(self.random.random_range(0.5..=1.0))).await;
                // It may be held by now.
                self.flowing().await;
            }
            if count == 0 {
                return to.shutdown().await;
            }
            to.write_all(&chunk[..count]).await?;
        }
    }

    /// Waits while this direction is held.
    async fn flowing(&mut self) -> Flow {
        let direction = self.direction;
        let seen = self.rules.wait_for(|rules| *rules.clone().flow(direction) != Flow::Hold).await;
        seen.map_or(Flow::Pass, |rules| *rules.clone().flow(direction))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::time::timeout;

    use super::*;
    use crate::support::database::TestDatabase;

    /// Long enough for what must not come to come.
    const A_WHILE: Duration = Duration::from_millis(150);

    /// A server that says everything back, and a connection to it through a proxy.
    async fn echo() -> (Proxy, String, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("echo://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let (proxy, through) = Proxy::before(&url, 1).await;
        let address = through.strip_prefix("echo://").unwrap().to_owned();
        let stream = TcpStream::connect(&address).await.unwrap();
        (proxy, address, stream)
    }

    async fn says_back(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"hello").await?;
        let mut said = [0; 5];
        stream.read_exact(&mut said).await?;
        assert_eq!(&said, b"hello");
        Ok(())
    }

    #[tokio::test]
    async fn what_is_cut_is_reset_and_refused_until_it_passes_again() {
        let (proxy, address, mut stream) = echo().await;
        says_back(&mut stream).await.unwrap();
        proxy.cut();
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        proxy.until_open(|count| count == 0).await;
        if let Ok(mut refused) = TcpStream::connect(&address).await {
            says_back(&mut refused).await.unwrap_err();
        }
        proxy.pass();
        let mut stream = TcpStream::connect(&address).await.unwrap();
        says_back(&mut stream).await.unwrap();
        proxy.cut_once();
        stream.read(&mut [0; 1]).await.unwrap_err();
        says_back(&mut TcpStream::connect(&address).await.unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_held_arrives_later_whole_and_each_direction_by_itself() {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (proxy, address, mut stream) = echo().await;
            proxy.hold(direction);
            let mut later = TcpStream::connect(&address).await.unwrap();
            for held in [&mut stream, &mut later] {
                assert!(timeout(A_WHILE, says_back(held)).await.is_err(), "{direction:?} is held");
            }
            proxy.pass();
            for held in [&mut stream, &mut later] {
                let mut said = [0; 5];
                held.read_exact(&mut said).await.unwrap();
                assert_eq!(&said, b"hello");
            }
        }
    }

    #[tokio::test]
    async fn a_closed_end_is_told_on_unless_it_is_held() {
        let (proxy, _, mut stream) = echo().await;
        says_back(&mut stream).await.unwrap();
        proxy.hold_all();
        stream.shutdown().await.unwrap();
        assert!(timeout(A_WHILE, stream.read(&mut [0; 1])).await.is_err());
        proxy.pass();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        proxy.until_open(|count| count == 0).await;
    }

    #[tokio::test]
    async fn what_is_delayed_keeps_its_order() {
        let (proxy, _, mut stream) = echo().await;
        let most = Duration::from_millis(60);
        proxy.delay(most);
        let begun = Instant::now();
        says_back(&mut stream).await.unwrap();
        assert!(begun.elapsed() >= most, "half of it at least, twice");
        let sent: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        let (mut from, mut to) = stream.split();
        let mut received = vec![0; sent.len()];
        let (written, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut received));
        written.unwrap();
        read.unwrap();
        assert!(received == sent);
    }

    #[tokio::test]
    async fn a_database_on_a_unix_socket_is_reached_through_it() {
        let database = TestDatabase::create().await;
        let (proxy, url) = Proxy::before(&database.url(), 1).await;
        let pool = govconnect::store::connect(url.parse().unwrap(), 2).await.unwrap();
        let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await.unwrap();
        assert!(database.url().contains(&name));
        proxy.cut();
        sqlx::query("SELECT 1").execute(&pool).await.unwrap_err();
        proxy.pass();
        sqlx::query("SELECT 1").execute(&pool).await.unwrap();
        pool.close().await;
    }
}

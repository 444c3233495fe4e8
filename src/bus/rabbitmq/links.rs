//! Connections to the broker: one that publishes and restores itself, one that consumes and does not, because whoever
//! consumes must know that what was handed out is handed out again.

use std::sync::{Arc, Mutex as ShortMutex, PoisonError};
use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ConnectionStatus};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::bus::duty::Broken;
use crate::bus::events::{Subscriber, Subscription};
use crate::bus::topology::{self, VIRTUAL_HOST};
use crate::retry;

/// Time to connect and declare everything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds; a broker that says nothing for twice as long is gone.
const HEARTBEAT: u16 = 10;

pub struct Links {
    uri: AMQPUri,
    subscribers: Vec<Arc<dyn Subscriber>>,
    subscriptions: Vec<Subscription>,
    publishing: Mutex<Option<Connection>>,
    consuming: Mutex<Option<Connection>>,
    /// Of the latest consuming connection.
    status: ShortMutex<Option<ConnectionStatus>>,
}

impl Links {
    /// With whoever is here, and whoever may be elsewhere: both have their queues declared.
    pub fn new(
        url: &SecretString,
        subscribers: Vec<Arc<dyn Subscriber>>,
        subscriptions: Vec<Subscription>,
    ) -> Result<Self, Broken> {
        let uri = address(url.expose_secret())?;
        Ok(Links {
            uri,
            subscribers,
            subscriptions,
            publishing: Mutex::default(),
            consuming: Mutex::default(),
            status: ShortMutex::default(),
        })
    }

    /// A channel with confirms on the connection that restores itself.
    pub async fn publishing_channel(&self) -> Result<Channel, Broken> {
        let restores = ConnectionProperties::default()
            .with_connection_name("govconnect publishing".into())
            .with_backoff(retry::until_it_works())
            .enable_auto_recover();
        Ok(self.channel(&self.publishing, restores).await?.0)
    }

    /// A channel with confirms on the other one.
    pub async fn consuming_channel(&self) -> Result<Channel, Broken> {
        let plain = ConnectionProperties::default().with_connection_name("govconnect consuming".into());
        let channel = self.channel(&self.consuming, plain).await?;
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel.1);
        Ok(channel.0)
    }

    /// Whether the consuming connection stands, as far as is known.
    pub fn are_up(&self) -> bool {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.as_ref().is_some_and(ConnectionStatus::connected)
    }

    async fn channel(
        &self,
        slot: &Mutex<Option<Connection>>,
        properties: ConnectionProperties,
    ) -> Result<(Channel, ConnectionStatus), Broken> {
        timeout(PATIENCE, self.open(slot, properties)).await.unwrap_or(Err(Broken::Late))
    }

    async fn open(
        &self,
        slot: &Mutex<Option<Connection>>,
        properties: ConnectionProperties,
    ) -> Result<(Channel, ConnectionStatus), Broken> {
        let mut slot = slot.lock().await;
        let connection = match slot.take() {
            Some(connection) if connection.status().connected() => slot.insert(connection),
            Some(connection) if connection.status().reconnecting() => {
                slot.replace(connection);
                return Err(Broken::Recovering);
            }
            _ => {
                let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
                self.declare(&connection).await?;
                slot.insert(connection)
            }
        };
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok((channel, connection.status().clone()))
    }

    /// On a channel of its own: a restored one would declare it all again.
    async fn declare(&self, connection: &Connection) -> Result<(), Broken> {
        let channel = connection.create_channel().await?;
        let here = self.subscribers.iter().map(|here| (here.name(), here.patterns()));
        let elsewhere = self.subscriptions.iter().map(|elsewhere| (elsewhere.queue, elsewhere.patterns));
        topology::declare(&channel, here.chain(elsewhere)).await?;
        channel.close(200, "declared".into()).await?;
        Ok(())
    }
}

fn address(url: &str) -> Result<AMQPUri, Broken> {
    let mut uri: AMQPUri = url.parse().map_err(|_| Broken::Address)?;
    let parsed = reqwest::Url::parse(url).map_err(|_| Broken::Address)?;
    if matches!(parsed.path(), "" | "/") {
        uri.vhost = VIRTUAL_HOST.into();
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virtual_host_is_ours_unless_the_address_names_one() {
        for (url, host) in [
            ("amqp://broker", "/govconnect"),
            ("amqp://user:word@broker:5672/", "/govconnect"),
            ("amqps://broker/%2f", "/"),
            ("amqp://broker/other?heartbeat=3", "other"),
        ] {
            assert_eq!(address(url).unwrap().vhost, host, "{url}");
        }
        assert_eq!(address("amqp://broker/other?heartbeat=3").unwrap().query.heartbeat, Some(3));
        assert!(matches!(address("postgres://broker"), Err(Broken::Address)));
    }
}

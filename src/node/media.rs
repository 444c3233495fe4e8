//! The media store and the actor that fills it.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_rt::ArbiterHandle;
use anyhow::Context as _;

use super::Beginning;
use crate::actors::media::{Media, MediaContext, MediaLibrary, MediaSettings};
use crate::actors::supervision;
use crate::config::Environment;
use crate::ids::NodeId;
use crate::media::spool::SpoolFolder;
use crate::media::storage::MediaStorage;
use crate::whatsapp::media::MediaClient;

/// Where files are gathered before they are stored, inside `data_dir`.
const SPOOL: &str = "media-spool";

/// Opens the store and starts fetching what is due.
pub(super) async fn start(
    beginning: &Beginning<'_>,
    node: NodeId,
    graph_url: &str,
    arbiter: &ArbiterHandle,
) -> anyhow::Result<(Addr<Media>, MediaLibrary)> {
    let Beginning { config, clock, metrics, pool, vital, .. } = *beginning;
    let storage = MediaStorage::open(&config.media, &config.data_dir).context("media.store")?;
    let spool = SpoolFolder::open(&config.data_dir.join(SPOOL)).context("the spool folder in data_dir")?;
    let client = MediaClient::new(
        graph_url,
        &config.whatsapp.graph_version,
        config.whatsapp.access_token.clone(),
        config.environment == Environment::Development,
    )?;
    let library = MediaLibrary::new(pool.clone(), storage.clone(), spool.clone(), metrics.clone());
    let context = Arc::new(MediaContext {
        pool: pool.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        node,
        client,
        storage,
        spool,
        settings: MediaSettings {
            concurrency: config.media.concurrency,
            first_pause: Duration::from_millis(config.media.retry_first_ms),
            sweep: Duration::from_millis(config.conversation.sweep_ms),
        },
    });
    let address = supervision::spawn_on(arbiter, "media", metrics, vital, move || Media::new(context))
        .await
        .context("an arbiter ended while the node started")?;
    Ok((address, library))
}

//! One file from Meta to the media store: link, bytes, checks, metadata out, store, record.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::time::{interval, timeout};

use super::MediaContext;
use crate::ids::MediaId;
use crate::media::sniff::Refusal;
use crate::media::spool::{SpoolError, Spooled};
use crate::media::storage::MediaStorage;
use crate::media::{Kind, PrepareError, Prepared, prepare};
use crate::store::channel::media::{self as store, ClaimedMedia, GivenUp, StoredFile};
use crate::whatsapp::errors::{CallError, ErrorClass};
use crate::whatsapp::media::{DOWNLOAD_DEADLINE, MediaClient, MediaError, MediaInfo};

/// Links asked for in one attempt: one that ran out is replaced at once.
const LINKS: usize = 2;
/// Attempts after which "Meta does not have it" and "not the announced bytes" are believed.
const BELIEVED_AFTER: i32 = 3;

/// Why a file was not fetched this time.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may go better later; the word says why.
    Later(&'static str),
    /// It will never be kept.
    Refused(Refusal),
    /// It cannot be had any more; the word says why.
    Gone(&'static str),
    /// The claim was lost or the message deleted: nothing is to be recorded.
    NotWanted,
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        tracing::warn!(%error, "the spool folder cannot be used");
        Trouble::Later("disk")
    }
}

impl From<PrepareError> for Trouble {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Refused(refusal) => Trouble::Refused(refusal),
            PrepareError::Disk(error) => error.into(),
        }
    }
}

/// Fetches a claimed file and records what became of it.
pub(super) async fn fetch(context: &MediaContext, claimed: &ClaimedMedia) {
    let started = Instant::now();
    let result = tokio::select! {
        result = timeout(DOWNLOAD_DEADLINE, attempt(context, claimed)) => {
            result.unwrap_or(Err(Trouble::Later("deadline")))
        }
        () = claim_lost(context, claimed) => Err(Trouble::NotWanted),
    };
    if let Ok(size) = &result {
        context.metrics.media_bytes.with_label_values(&["in"]).inc_by(*size);
        context
            .metrics
            .media_download_seconds
            .with_label_values(&[] as &[&str])
            .observe(started.elapsed().as_secs_f64());
    }
    settle(context, claimed, result).await;
}

/// Renews the claim; returns when it is lost.
async fn claim_lost(context: &MediaContext, claimed: &ClaimedMedia) {
    let mut renewals = interval(Duration::from_secs_f64(store::CLAIM_SECONDS / 3.0));
    renewals.tick().await;
    loop {
        renewals.tick().await;
        match store::renew(&context.pool, context.node, claimed).await {
            Ok(true) => {}
            Ok(false) => return,
            // If this goes on, the claim runs out, and the result will not be taken.
            Err(error) => tracing::warn!(%error, "a claim of media could not be renewed"),
        }
    }
}

/// Writes down how an attempt ended.
pub(super) async fn settle(context: &MediaContext, claimed: &ClaimedMedia, result: Result<u64, Trouble>) {
    let (outcome, recorded) = match result {
        Ok(_) => ("stored", Ok(())),
        Err(Trouble::NotWanted) => ("not_wanted", Ok(())),
        Err(Trouble::Refused(refusal)) => {
            tracing::info!(media.id = %claimed.media_id, reason = refusal.code(), "a file is refused");
            ("refused", give_up(context, claimed, GivenUp::Refused, refusal.code()).await)
        }
        Err(Trouble::Gone(reason)) => {
            tracing::warn!(media.id = %claimed.media_id, reason, "a file cannot be had any more");
            ("failed", give_up(context, claimed, GivenUp::Failed, reason).await)
        }
        Err(Trouble::Later(reason)) => {
            let pause = context.settings.pause(claimed.attempt);
            let next = context.clock.now() + pause;
            match claimed.expires_at.is_some_and(|expires_at| next >= expires_at) {
                true => {
                    tracing::warn!(media.id = %claimed.media_id, reason, "a file could not be had in seven days");
                    ("failed", give_up(context, claimed, GivenUp::Failed, "expired").await)
                }
                false => {
                    tracing::info!(media.id = %claimed.media_id, reason, attempt = claimed.attempt, "a file is tried again");
                    let later = store::retry_later(&context.pool, context.node, claimed, pause, reason).await;
                    ("retried", later)
                }
            }
        }
    };
    context.metrics.media_downloads.with_label_values(&[outcome]).inc();
    if let Err(error) = recorded {
        // The claim runs out, and the file is fetched again.
        tracing::warn!(media.id = %claimed.media_id, %error, "what became of a file could not be recorded");
    }
}

async fn give_up(
    context: &MediaContext,
    claimed: &ClaimedMedia,
    how: GivenUp,
    reason: &str,
) -> Result<(), crate::store::StoreError> {
    store::give_up(&context.pool, context.node, claimed, how, reason).await
}

/// All the way; gives the size of what was stored.
async fn attempt(context: &MediaContext, claimed: &ClaimedMedia) -> Result<u64, Trouble> {
    let kind: Kind = claimed.kind.parse().map_err(|_| Trouble::Refused(Refusal::TypeNotAllowed))?;
    let (info, spooled) = bytes(context, claimed, kind).await?;
    let announced = [info.sha256.as_deref(), claimed.sha256.as_deref()];
    if announced.into_iter().flatten().any(|sha256| !is_sha256(sha256, &spooled.sha256)) {
        return Err(match claimed.attempt >= BELIEVED_AFTER {
            true => Trouble::Refused(Refusal::WrongSha256),
            false => Trouble::Later("wrong_sha256"),
        });
    }
    let declared = claimed.mime_type.as_deref().or(info.mime_type.as_deref()).unwrap_or_default();
    let mut prepared = prepare(spooled, kind, declared, &context.spool).await?;
    let key = MediaStorage::new_key();
    crate::crash_point!("media::before_store");
    store_object(&context.pool, &context.storage, claimed.media_id, &key, &mut prepared).await?;
    crate::crash_point!("media::after_store");
    let file = StoredFile {
        key: &key,
        mime_type: prepared.mime_type,
        size: prepared.file.size,
        sha256: &prepared.file.sha256,
    };
    match store::record_stored(&context.pool, context.node, claimed, &file).await {
        Ok(true) => Ok(prepared.file.size),
        Ok(false) => {
            doom(&context.pool, claimed.media_id, &key).await;
            Err(Trouble::NotWanted)
        }
        // It may have been recorded: the key has its time, and the row says which it is.
        Err(error) => {
            tracing::warn!(%error, "a stored file could not be recorded");
            Err(Trouble::Later("database"))
        }
    }
}

/// Notes the key, then writes the file; a failure leaves the key to be emptied.
pub(super) async fn store_object(
    pool: &sqlx::PgPool,
    storage: &MediaStorage,
    media: MediaId,
    key: &str,
    prepared: &mut Prepared,
) -> Result<(), Trouble> {
    store::begin_object(pool, media, key).await.map_err(|error| {
        tracing::warn!(%error, "a file could not be announced");
        Trouble::Later("database")
    })?;
    if let Err(error) = storage.put(key, &mut prepared.file).await {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "a file could not be stored");
        doom(pool, media, key).await;
        return Err(Trouble::Later("store"));
    }
    Ok(())
}

/// Has a file deleted that is not wanted. When even this fails, the time that its key was given does it.
pub(super) async fn doom(pool: &sqlx::PgPool, media: MediaId, key: &str) {
    if let Err(error) = store::doom_object(pool, media, key).await {
        tracing::warn!(%error, "a file that is not wanted is deleted later");
    }
}

/// Asks for a link and follows it; a link that has run out is replaced.
async fn bytes(
    context: &MediaContext,
    claimed: &ClaimedMedia,
    kind: Kind,
) -> Result<(MediaInfo, Spooled), Trouble> {
    let mut expired = Trouble::Later("link_expired");
    for _ in 0..LINKS {
        let info = context.client.info(&claimed.graph_id).await.map_err(|error| trouble(&error, claimed))?;
        if info.file_size.is_some_and(|size| size > kind.max_bytes()) {
            return Err(Trouble::Refused(Refusal::TooLarge));
        }
        match download(&context.client, &info, kind, context).await {
            Ok(spooled) => return Ok((info, spooled)),
            Err(Failure::Media(MediaError::LinkExpired)) => expired = Trouble::Later("link_expired"),
            Err(Failure::Media(error)) => return Err(trouble(&error, claimed)),
            Err(Failure::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(expired)
}

enum Failure {
    Media(MediaError),
    Trouble(Trouble),
}

async fn download(
    client: &MediaClient,
    info: &MediaInfo,
    kind: Kind,
    context: &MediaContext,
) -> Result<Spooled, Failure> {
    let disk = |error: std::io::Error| Failure::Trouble(error.into());
    let mut response = client.download(&info.url).await.map_err(Failure::Media)?;
    let mut writer = context.spool.create(kind.max_bytes()).await.map_err(disk)?;
    while let Some(part) = response.chunk().await.map_err(|_| Failure::Media(MediaError::BrokenOff))? {
        writer.write(&part).await.map_err(|error| match error {
            SpoolError::TooLarge => Failure::Trouble(Trouble::Refused(Refusal::TooLarge)),
            SpoolError::Disk(error) => disk(error),
        })?;
    }
    writer.finish().await.map_err(disk)
}

/// What an answer of Meta's means for the file.
fn trouble(error: &MediaError, claimed: &ClaimedMedia) -> Trouble {
    match error {
        MediaError::Call(CallError::Refused { class: ErrorClass::MessageWrong, code, .. })
            if claimed.attempt >= BELIEVED_AFTER =>
        {
            tracing::debug!(media.id = %claimed.media_id, code, "meta does not have a file");
            Trouble::Gone("gone_at_meta")
        }
        MediaError::Call(CallError::Refused { class, .. }) => Trouble::Later(class.into()),
        MediaError::Call(CallError::Unbuildable(_)) => Trouble::Gone("no_such_id"),
        MediaError::Call(CallError::NotSent | CallError::Ambiguous) => Trouble::Later("meta_unreachable"),
        MediaError::LinkExpired => Trouble::Later("link_expired"),
        MediaError::ForeignHost => {
            tracing::error!(media.id = %claimed.media_id, "a link to a file leads away from meta; it was not followed");
            Trouble::Later("foreign_host")
        }
        MediaError::BrokenOff => Trouble::Later("broken_off"),
    }
}

/// Whether Meta's checksum, in hexadecimal or Base64, is `hexadecimal`.
fn is_sha256(announced: &str, hexadecimal: &str) -> bool {
    let announced = announced.trim();
    announced.eq_ignore_ascii_case(hexadecimal)
        || BASE64_STANDARD.decode(announced).is_ok_and(|bytes| hex::encode(bytes) == hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_read_in_both_of_metas_ways() {
        let hexadecimal = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (announced, same) in [
            (hexadecimal, true),
            ("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", true),
            ("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", true),
            ("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", false),
            ("", false),
        ] {
            assert_eq!(is_sha256(announced, hexadecimal), same, "{announced}");
        }
    }
}

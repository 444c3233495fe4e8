//! What the ledger does for many conversations at once, for one.

use govconnect::ids::{ConversationId, Epoch, MessageId};
use govconnect::store::StoreError;
use govconnect::store::channel::claims::{self, Claim};
use govconnect::store::channel::conversation::{Committed, Load, TurnCommit};
use govconnect::store::channel::loading::{self, Look};
use govconnect::store::channel::turns;
use sqlx::PgPool;

/// Takes ownership at `epoch` and reads everything that is open.
pub async fn load(pool: &PgPool, id: ConversationId, epoch: Epoch) -> Result<Load, StoreError> {
    look_at(pool, Look { conversation_id: id, epoch, takes_ownership: true }).await
}

/// Reads again without taking ownership.
pub async fn read(pool: &PgPool, id: ConversationId, epoch: Epoch) -> Result<Load, StoreError> {
    look_at(pool, Look { conversation_id: id, epoch, takes_ownership: false }).await
}

async fn look_at(pool: &PgPool, look: Look) -> Result<Load, StoreError> {
    Ok(loading::look(pool, &[look]).await?.remove(0))
}

/// Commits a turn: state, processed rows, messages, calls and events, or nothing at all.
pub async fn commit_turn(pool: &PgPool, commit: &TurnCommit) -> Result<Committed, StoreError> {
    Ok(turns::commit(pool, std::slice::from_ref(commit)).await?.remove(0))
}

/// Claims the first row of a conversation that may be sent.
pub async fn claim(pool: &PgPool, id: ConversationId, epoch: Epoch) -> Result<Claim, StoreError> {
    Ok(claims::claim(pool, &[(id, epoch)]).await?.remove(0))
}

/// This call succeeded: our id and Meta's.
pub async fn mark_sent(pool: &PgPool, id: MessageId, wamid: &str) -> Result<(), StoreError> {
    claims::mark_sent(pool, &[(id, wamid.to_owned())]).await.map(drop)
}

//! Failed sign-ins. An attempt is counted **before** its password is looked at, under a row lock, so that a thousand
//! guesses at once get no more tries than a thousand in a row; a correct password takes the count back.
//!
//! Counted per account and address and, with more patience, per account. Never per address alone.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgPool};

use crate::store::StoreError;

/// The address under which an account's failures from everywhere are counted.
const EVERYWHERE: &str = "";
/// Failures older than this no longer count.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);
/// How long a correct sign-in exempts its address from the lock of the whole account.
const TRUST: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The longest wait between two attempts.
const LONGEST: SignedDuration = SignedDuration::from_mins(15);
/// Mistakes that cost nothing: from one address, and of one account from everywhere.
const FREE_FROM_ADDRESS: i32 = 3;
const FREE_FROM_EVERYWHERE: i32 = 20;

/// Whether an attempt may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look at the password; the attempt has been counted as failed until [`succeeded`] says otherwise.
    Proceed,
    /// Not before then; nothing was counted.
    Wait { until: Timestamp },
}

/// The wait after the `failures`th mistake in a row, doubling from a second once the free ones are used up.
fn wait_after(failures: i32, free: i32) -> Option<SignedDuration> {
    let beyond = u32::try_from(failures - free).ok().filter(|beyond| *beyond > 0)?;
    let seconds = 1_i64.checked_shl(beyond - 1).filter(|seconds| *seconds > 0).unwrap_or(i64::MAX);
    Some(SignedDuration::from_secs(seconds).min(LONGEST))
}

struct Row {
    address: String,
    failures: i32,
    last_attempt_at: crate::store::Timestamptz,
    blocked_until: Option<crate::store::Timestamptz>,
    trusted_until: Option<crate::store::Timestamptz>,
}

/// Counts an attempt for `username` from `address` as failed, or says how long to wait.
pub async fn begin(
    pool: &PgPool,
    username: &str,
    address: &str,
    now: Timestamp,
) -> Result<Verdict, StoreError> {
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "INSERT INTO gc_dashboard.sign_in_attempts (username, address, last_attempt_at)
         VALUES ($1, $3, $4), ($1, $2, $4) ON CONFLICT DO NOTHING",
        username,
        address,
        EVERYWHERE,
        now.to_sqlx() as _,
    )
    .execute(&mut *transaction)
    .await?;
    // In the order of the key, as every writer here does: no deadlocks.
    let rows = sqlx::query_as!(
        Row,
        "SELECT address, failures, last_attempt_at, blocked_until, trusted_until FROM gc_dashboard.sign_in_attempts
         WHERE username = $1 AND address IN ($2, $3) ORDER BY address FOR UPDATE",
        username,
        address,
        EVERYWHERE,
    )
    .fetch_all(&mut *transaction)
    .await?;

    let trusted = rows
        .iter()
        .filter(|row| row.address == address)
        .any(|row| row.trusted_until.is_some_and(|until| until.to_jiff() > now));
    let binding = |row: &&Row| row.address != EVERYWHERE || !trusted;
    let blocked_until = rows
        .iter()
        .filter(binding)
        .filter_map(|row| row.blocked_until.map(|until| until.to_jiff()))
        .filter(|until| *until > now)
        .max();
    if let Some(until) = blocked_until {
        return Ok(Verdict::Wait { until });
    }
    for row in rows.iter().filter(binding) {
        let forgotten = now.duration_since(row.last_attempt_at.to_jiff()) > MEMORY;
        let failures = if forgotten { 1 } else { row.failures.saturating_add(1) };
        let free = if row.address == EVERYWHERE { FREE_FROM_EVERYWHERE } else { FREE_FROM_ADDRESS };
        let blocked_until = wait_after(failures, free).map(|wait| now.saturating_add(wait).unwrap_or(now));
        sqlx::query!(
            "UPDATE gc_dashboard.sign_in_attempts SET failures = $3, last_attempt_at = $4, blocked_until = $5
             WHERE username = $1 AND address = $2",
            username,
            row.address,
            failures,
            now.to_sqlx() as _,
            blocked_until.map(ToSqlx::to_sqlx) as _,
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(Verdict::Proceed)
}

/// The password was right: forgets the failures from this address, takes this attempt off the account's own count,
/// trusts the address, and tidies up what nobody asks for any more.
pub async fn succeeded(
    connection: &mut PgConnection,
    username: &str,
    address: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let trusted_until = now.saturating_add(TRUST).unwrap_or(now);
    // From a trusted address the account's own row was not counted, see `begin`.
    sqlx::query!(
        "UPDATE gc_dashboard.sign_in_attempts SET failures = greatest(failures - 1, 0)
         WHERE username = $1 AND address = $2 AND NOT EXISTS (
             SELECT FROM gc_dashboard.sign_in_attempts
             WHERE username = $1 AND address = $3 AND trusted_until > $4)",
        username,
        EVERYWHERE,
        address,
        now.to_sqlx() as _,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO gc_dashboard.sign_in_attempts (username, address, last_attempt_at, trusted_until)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (username, address)
         DO UPDATE SET failures = 0, blocked_until = NULL, last_attempt_at = $3, trusted_until = $4",
        username,
        address,
        now.to_sqlx() as _,
        trusted_until.to_sqlx() as _,
    )
    .execute(&mut *connection)
    .await?;
    let oldest = now.saturating_sub(MEMORY).unwrap_or(now);
    sqlx::query!(
        "DELETE FROM gc_dashboard.sign_in_attempts
         WHERE (username, address) IN (
             SELECT username, address FROM gc_dashboard.sign_in_attempts
             WHERE last_attempt_at < $1 AND (trusted_until IS NULL OR trusted_until < $2)
             ORDER BY username, address LIMIT 500 FOR UPDATE SKIP LOCKED)",
        oldest.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_after_the_free_mistakes_and_stay_bounded() {
        let seconds = |failures| wait_after(failures, FREE_FROM_ADDRESS).map(|wait| wait.as_secs());
        assert_eq!([1, 2, 3].map(seconds), [None, None, None]);
        assert_eq!([4, 5, 6, 13].map(seconds), [Some(1), Some(2), Some(4), Some(512)]);
        assert_eq!([14, 70, i32::MAX].map(seconds), [Some(900), Some(900), Some(900)]);
    }
}

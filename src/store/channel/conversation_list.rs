//! The list of conversations as officers see it: filters, search, what each has not read. The one place where a statement
//! of the channel is put together at run time.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{FromRow, PgExecutor, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::ids::{ConversationId, MessageId, PersonId};
use crate::store::{StoreError, Timestamptz};

/// Unread messages are counted up to here.
pub const MOST_UNREAD: i64 = 100;
/// What search looks through; the words of the index `user_profiles_search`.
const SEARCHED: &str = "lower(coalesce(p.display_name, '') || ' ' || coalesce(p.username, '') || ' ' \
                        || coalesce(p.phone, '') || ' ' || coalesce(p.bsuid, ''))";

/// A conversation in a list.
#[derive(Clone, Debug)]
pub struct ConversationRow {
    pub conversation_id: ConversationId,
    pub phone_number_id: String,
    pub person_id: PersonId,
    pub wa_user_id: String,
    pub display_name: Option<String>,
    pub username: Option<String>,
    pub mode: String,
    pub holder: Option<String>,
    pub last_message_at: Timestamp,
    pub last_text: Option<String>,
    pub window_expires_at: Option<Timestamp>,
    pub unprocessed: i64,
    /// At most [`MOST_UNREAD`].
    pub unread: i64,
    pub parked_reason: Option<String>,
    pub waiting_since: Option<Timestamp>,
    pub waiting_reason: Option<String>,
    /// A complaint that the citizen has not finished telling: kategori, alamat, deskripsi, updated_at.
    pub draft: Option<Value>,
    /// Meta's last word about reaching the person, unless they wrote since: code, title, at.
    pub unreachable: Option<Value>,
}

/// Which conversations; every part that is given must agree.
#[derive(Clone, Debug, Default)]
pub struct ConversationFilter {
    /// Part of a name, username, phone number or BSUID.
    pub search: Option<String>,
    /// bot or human.
    pub mode: Option<String>,
    pub holder: Option<String>,
    /// A person is wanted.
    pub waiting: bool,
    pub parked: bool,
    pub unread: bool,
    pub phone_number_id: Option<String>,
    /// Whose unread messages are counted; without it, those that no officer has read.
    pub reader: Option<String>,
}

/// Where a page goes on: after this time and id.
pub type ConversationCursor = (Timestamp, Uuid);

#[derive(FromRow)]
struct Row {
    conversation_id: Uuid,
    phone_number_id: String,
    person_id: Uuid,
    wa_user_id: String,
    display_name: Option<String>,
    username: Option<String>,
    mode: String,
    holder: Option<String>,
    last_message_at: Timestamptz,
    last_text: Option<String>,
    window_expires_at: Option<Timestamptz>,
    unprocessed: i64,
    unread: i64,
    parked_reason: Option<String>,
    waiting_since: Option<Timestamptz>,
    waiting_reason: Option<String>,
    draft: Option<Value>,
    unreachable: Option<Value>,
}

impl From<Row> for ConversationRow {
    fn from(row: Row) -> Self {
        ConversationRow {
            conversation_id: ConversationId(row.conversation_id),
            phone_number_id: row.phone_number_id,
            person_id: PersonId(row.person_id),
            wa_user_id: row.wa_user_id,
            display_name: row.display_name,
            username: row.username,
            mode: row.mode,
            holder: row.holder,
            last_message_at: row.last_message_at.into(),
            last_text: row.last_text,
            window_expires_at: row.window_expires_at.map(Timestamp::from),
            unprocessed: row.unprocessed,
            unread: row.unread,
            parked_reason: row.parked_reason,
            waiting_since: row.waiting_since.map(Timestamp::from),
            waiting_reason: row.waiting_reason,
            draft: row.draft,
            unreachable: row.unreachable,
        }
    }
}

/// Conversations by latest activity, those after `after`. A page goes on where the last ended whatever comes in between:
/// none is given twice, and one that is written to meanwhile is at the top of the next first page.
pub async fn list(
    pool: &PgPool,
    filter: &ConversationFilter,
    after: Option<ConversationCursor>,
    limit: i64,
) -> Result<Vec<ConversationRow>, StoreError> {
    let mut query = select(filter.reader.as_deref());
    query.push(" WHERE c.merged_into IS NULL AND c.last_message_at IS NOT NULL");
    narrow(&mut query, filter);
    if let Some((time, id)) = after {
        query
            .push(" AND (c.last_message_at, c.conversation_id) < (")
            .push_bind(Timestamptz::from(time))
            .push(", ")
            .push_bind(id)
            .push(")");
    }
    query.push(" ORDER BY c.last_message_at DESC, c.conversation_id DESC LIMIT ").push_bind(limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(ConversationRow::from).collect())
}

/// One conversation, with what `reader` has not read.
pub async fn get(
    pool: &PgPool,
    id: ConversationId,
    reader: Option<&str>,
) -> Result<Option<ConversationRow>, StoreError> {
    let mut query = select(reader);
    query.push(" WHERE c.merged_into IS NULL AND c.last_message_at IS NOT NULL AND c.conversation_id = ");
    query.push_bind(id.0);
    let row: Option<Row> = query.build_query_as().fetch_optional(pool).await?;
    Ok(row.map(ConversationRow::from))
}

/// These conversations, or those that they were merged into, with what no officer has read.
pub async fn by_id(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<ConversationRow>, StoreError> {
    let mut query = select(None);
    query
        .push(
            " WHERE c.last_message_at IS NOT NULL AND c.conversation_id IN (
                 SELECT coalesce(named.merged_into, named.conversation_id)
                 FROM gc_channel.conversations named WHERE named.conversation_id = ANY(",
        )
        .push_bind(ids)
        .push("))");
    let rows: Vec<Row> = query.build_query_as().fetch_all(executor).await?;
    Ok(rows.into_iter().map(ConversationRow::from).collect())
}

fn select(reader: Option<&str>) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(
        "SELECT c.conversation_id, c.phone_number_id, c.person_id, coalesce(p.phone, p.bsuid, '') AS wa_user_id,
                p.display_name, p.username, c.mode, c.holder, c.last_message_at,
                (SELECT coalesce(m.text, m.kind) FROM gc_channel.messages m
                 WHERE m.conversation_id = c.conversation_id ORDER BY m.seq DESC LIMIT 1) AS last_text,
                c.window_expires_at,
                (SELECT count(*) FROM gc_channel.messages m
                 WHERE m.partition = c.partition AND m.conversation_id = c.conversation_id AND m.direction = 'in'
                   AND m.processed_at IS NULL) AS unprocessed,
                (SELECT count(*) FROM (
                     SELECT FROM gc_channel.messages m
                     WHERE m.conversation_id = c.conversation_id AND m.direction = 'in' AND m.seq > read.seq
                     LIMIT ",
    );
    query.push_bind(MOST_UNREAD).push(
        ") AS few) AS unread,
                c.parked_reason, c.waiting_since, c.waiting_reason,
                CASE WHEN c.state #>> '{draft,submitted}' = 'false' THEN jsonb_build_object(
                    'kategori', c.state #> '{draft,kategori}', 'alamat', c.state #> '{draft,alamat}',
                    'deskripsi', c.state #> '{draft,deskripsi}', 'updated_at', c.state #> '{draft,updated_at}')
                END AS draft,
                CASE WHEN p.unreachable IS NOT NULL AND NOT EXISTS (
                         SELECT FROM gc_channel.conversations own
                         WHERE own.person_id = c.person_id AND (p.unreachable ->> 'at')::timestamptz < (
                             SELECT m.received_at FROM gc_channel.messages m
                             WHERE m.conversation_id = own.conversation_id AND m.direction = 'in'
                             ORDER BY m.seq DESC LIMIT 1))
                     THEN p.unreachable END AS unreachable
         FROM gc_channel.conversations c JOIN gc_channel.user_profiles p USING (person_id)
         CROSS JOIN LATERAL (
             SELECT coalesce(max(r.seq), 0) AS seq FROM gc_channel.conversation_reads r
             WHERE r.conversation_id = c.conversation_id",
    );
    if let Some(reader) = reader {
        query.push(" AND r.admin_id = ").push_bind(reader.to_owned());
    }
    query.push(") AS read");
    query
}

fn narrow(query: &mut QueryBuilder<Postgres>, filter: &ConversationFilter) {
    if let Some(mode) = &filter.mode {
        // Spelled out for the value that few conversations have: its index is partial.
        match mode.as_str() {
            "human" => query.push(" AND c.mode = 'human'"),
            other => query.push(" AND c.mode = ").push_bind(other.to_owned()),
        };
    }
    if let Some(holder) = &filter.holder {
        query.push(" AND c.mode = 'human' AND c.holder = ").push_bind(holder.clone());
    }
    if filter.waiting {
        query.push(" AND c.waiting_since IS NOT NULL");
    }
    if filter.parked {
        query.push(" AND c.parked_at IS NOT NULL");
    }
    if let Some(number) = &filter.phone_number_id {
        query.push(" AND c.phone_number_id = ").push_bind(number.clone());
    }
    if filter.unread {
        query.push(
            " AND EXISTS (SELECT FROM gc_channel.messages m
                          WHERE m.conversation_id = c.conversation_id AND m.direction = 'in' AND m.seq > read.seq)",
        );
    }
    if let Some(search) = &filter.search {
        query.push(" AND (").push(SEARCHED).push(" LIKE ").push_bind(pattern(search));
        if let Some(digits) = phone_digits(search) {
            query.push(" OR ").push(SEARCHED).push(" LIKE ").push_bind(pattern(&digits));
        }
        query.push(")");
    }
}

/// `%words%`, with what means something to LIKE taken as it is.
fn pattern(words: &str) -> String {
    let mut pattern = String::from("%");
    for character in words.trim().to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// What people type for a phone number, as Meta has it: digits only, with the country for a leading zero.
fn phone_digits(search: &str) -> Option<String> {
    let looks_like_one =
        search.chars().all(|character| character.is_ascii_digit() || "+- ().".contains(character));
    let digits: String = search.chars().filter(char::is_ascii_digit).collect();
    let national = digits.strip_prefix('0').map(|rest| format!("62{rest}"));
    Some(national.unwrap_or(digits)).filter(|digits| looks_like_one && digits.len() >= 3)
}

/// An officer has read up to and with this message; never less than before. False when the conversation has no such
/// message.
pub async fn mark_read(
    pool: &PgPool,
    id: ConversationId,
    admin_id: &str,
    message: MessageId,
) -> Result<bool, StoreError> {
    let marked = sqlx::query!(
        "INSERT INTO gc_channel.conversation_reads AS r (conversation_id, admin_id, seq)
         SELECT m.conversation_id, $2, m.seq FROM gc_channel.messages m
         WHERE m.message_id = $3 AND m.conversation_id = $1
         ON CONFLICT (conversation_id, admin_id) DO UPDATE
         SET seq = greatest(r.seq, excluded.seq), read_at = now()",
        id.0,
        admin_id,
        message.0
    )
    .execute(pool)
    .await?;
    Ok(marked.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_to_like_is_taken_as_it_is() {
        assert_eq!(pattern(" Siti_50%\\ "), r"%siti\_50\%\\%");
    }

    #[test]
    fn phone_numbers_are_found_as_people_type_them() {
        for (search, digits) in [
            ("0812-3456 789", Some("628123456789")),
            ("+62 812 3456", Some("628123456")),
            ("3456", Some("3456")),
            ("12", None),
            ("siti 0812", None),
        ] {
            assert_eq!(phone_digits(search).as_deref(), digits, "{search}");
        }
    }
}

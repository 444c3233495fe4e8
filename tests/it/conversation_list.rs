//! The list of conversations: search, filters, what is unread, paging while new messages come, and its cost among many.

use std::collections::BTreeMap;

use govconnect::ids::{ConversationId, MessageId, PersonId};
use govconnect::store::channel::conversation_list::{
    ConversationFilter, ConversationRow, MOST_UNREAD, get, list, mark_read,
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::database::TestDatabase;
use crate::support::office::Office;

/// `count` people with a conversation and two messages each; a higher number is more recently active.
async fn people(pool: &PgPool, count: i64) {
    for statement in [
        "INSERT INTO gc_channel.user_profiles (person_id, phone, display_name, username)
         SELECT md5('p' || n)::uuid, '62811' || lpad(n::text, 7, '0'), 'Warga ' || lpad(n::text, 6, '0'), 'akun' || n
         FROM generate_series(1, $1) AS n",
        "INSERT INTO gc_channel.conversations
             (conversation_id, phone_number_id, person_id, partition, last_message_at, mode, holder, waiting_since, parked_at)
         SELECT md5('c' || n)::uuid, CASE WHEN n % 1000 = 7 THEN 'dua' ELSE 'satu' END, md5('p' || n)::uuid, n % 64,
                now() - ($1 - n) * interval '1 minute',
                CASE WHEN n % 500 = 3 THEN 'human' ELSE 'bot' END, CASE WHEN n % 500 = 3 THEN 'rina' END,
                CASE WHEN n % 700 = 5 THEN now() END, CASE WHEN n % 900 = 6 THEN now() END
         FROM generate_series(1, $1) AS n",
        "INSERT INTO gc_channel.messages
             (message_id, conversation_id, partition, direction, wamid, kind, text, content, sent_at, processed_at)
         SELECT md5('m' || n || '-' || k)::uuid, md5('c' || n)::uuid, n % 64, 'in', 'w' || n || '-' || k, 'text',
                'pesan ' || k, '{}', now(), CASE WHEN k = 1 THEN now() END
         FROM generate_series(1, $1) AS n, generate_series(1, 2) AS k ORDER BY n, k",
    ] {
        sqlx::query(AssertSqlSafe(statement)).bind(count).execute(pool).await.unwrap();
    }
    sqlx::query("ANALYZE gc_channel.user_profiles, gc_channel.conversations, gc_channel.messages")
        .execute(pool)
        .await
        .unwrap();
}

async fn conversation(pool: &PgPool, number: i64) -> ConversationId {
    ConversationId(
        sqlx::query_scalar("SELECT md5('c' || $1::bigint)::uuid").bind(number).fetch_one(pool).await.unwrap(),
    )
}

async fn message(pool: &PgPool, number: i64, nth: i64) -> MessageId {
    let sql = "SELECT md5('m' || $1::bigint || '-' || $2::bigint)::uuid";
    MessageId(sqlx::query_scalar(sql).bind(number).bind(nth).fetch_one(pool).await.unwrap())
}

fn names(rows: &[ConversationRow]) -> Vec<&str> {
    rows.iter().map(|row| row.display_name.as_deref().unwrap().trim_start_matches("Warga 0")).collect()
}

#[tokio::test]
async fn conversations_are_found_by_any_part_of_name_account_or_number_and_by_every_filter() {
    let database = TestDatabase::with_connections(2).await;
    let pool = &database.pool;
    people(pool, 1000).await;
    let search = |words: &str| ConversationFilter { search: Some(words.into()), ..Default::default() };
    for (filter, found) in [
        (search("warga 000123"), vec!["00123"]),
        (
            search("WARGA 00012"),
            vec!["00129", "00128", "00127", "00126", "00125", "00124", "00123", "00122", "00121", "00120"],
        ),
        (search("akun998"), vec!["00998"]),
        (search("0811-0000 042"), vec!["00042"]),
        (search("+62 811 0000042"), vec!["00042"]),
        (search("0000042"), vec!["00042"]),
        (search("warga_000123"), vec![]),
        (search("%%%"), vec![]),
        (ConversationFilter { mode: Some("human".into()), ..Default::default() }, vec!["00503", "00003"]),
        (ConversationFilter { holder: Some("rina".into()), ..search("000503") }, vec!["00503"]),
        (ConversationFilter { holder: Some("budi".into()), ..Default::default() }, vec![]),
        (ConversationFilter { waiting: true, ..Default::default() }, vec!["00705", "00005"]),
        (ConversationFilter { parked: true, ..Default::default() }, vec!["00906", "00006"]),
        (ConversationFilter { phone_number_id: Some("dua".into()), ..Default::default() }, vec!["00007"]),
    ] {
        let rows = list(pool, &filter, None, 20).await.unwrap();
        assert_eq!(names(&rows), found, "{filter:?}");
    }
    let bot = ConversationFilter { mode: Some("bot".into()), ..search("0005") };
    assert!(list(pool, &bot, None, 100).await.unwrap().iter().all(|row| row.mode == "bot"));
}

#[tokio::test]
async fn an_officer_reads_forwards_only_and_for_oneself() {
    let database = TestDatabase::with_connections(2).await;
    let pool = &database.pool;
    people(pool, 3).await;
    let id = conversation(pool, 2).await;
    let unread = async |reader: Option<&str>| get(pool, id, reader).await.unwrap().unwrap().unread;
    assert_eq!((unread(Some("rina")).await, unread(None).await), (2, 2));
    assert!(mark_read(pool, id, "rina", message(pool, 2, 1).await).await.unwrap());
    assert_eq!((unread(Some("rina")).await, unread(Some("budi")).await, unread(None).await), (1, 2, 1));
    assert!(mark_read(pool, id, "budi", message(pool, 2, 2).await).await.unwrap());
    assert!(mark_read(pool, id, "budi", message(pool, 2, 1).await).await.unwrap());
    assert_eq!((unread(Some("budi")).await, unread(Some("rina")).await, unread(None).await), (0, 1, 0));
    // A message of somebody else's conversation, and none at all.
    assert!(!mark_read(pool, id, "rina", message(pool, 1, 1).await).await.unwrap());
    assert!(!mark_read(pool, id, "rina", MessageId::new()).await.unwrap());
    let left = ConversationFilter { unread: true, reader: Some("budi".into()), ..Default::default() };
    assert_eq!(names(&list(pool, &left, None, 10).await.unwrap()), ["00003", "00001"]);

    sqlx::query(
        "INSERT INTO gc_channel.messages (message_id, conversation_id, partition, direction, wamid, kind, content, sent_at)
         SELECT gen_random_uuid(), $1, 2, 'in', 'flood' || n, 'text', '{}', now() FROM generate_series(1, 500) AS n",
    )
    .bind(id.0)
    .execute(pool)
    .await
    .unwrap();
    assert_eq!(unread(Some("budi")).await, MOST_UNREAD);
}

#[tokio::test]
async fn pages_give_none_twice_and_miss_none_that_stayed_while_others_are_written_to() {
    let database = TestDatabase::with_connections(2).await;
    let pool = &database.pool;
    people(pool, 100).await;
    let mut seen: BTreeMap<PersonId, usize> = BTreeMap::new();
    let (mut after, mut page) = (None, 0);
    loop {
        let rows = list(pool, &ConversationFilter::default(), after, 7).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some((last.last_message_at, last.conversation_id.0));
        for row in &rows {
            *seen.entry(row.person_id).or_default() += 1;
        }
        // One that was seen is written to, and one that was not.
        for number in [100 - page, 10 + page / 2] {
            let id = conversation(pool, number).await;
            sqlx::query(
                "UPDATE gc_channel.conversations SET last_message_at = now() WHERE conversation_id = $1",
            )
            .bind(id.0)
            .execute(pool)
            .await
            .unwrap();
        }
        page += 1;
    }
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    let written_to_unseen = page.div_euclid(2) + 1;
    assert!(seen.len() as i64 >= 100 - written_to_unseen, "{} of 100 in {page} pages", seen.len());
    // What was written to meanwhile is on top.
    let top = list(pool, &ConversationFilter::default(), None, 1).await.unwrap();
    let latest = conversation(pool, 10 + (page - 1) / 2).await;
    assert!(
        top[0].conversation_id == latest
            || top[0].last_message_at >= get(pool, latest, None).await.unwrap().unwrap().last_message_at
    );
}

#[tokio::test]
async fn among_many_no_list_reads_a_table_from_end_to_end() {
    let database = TestDatabase::with_connections(1).await;
    let pool = &database.pool;
    people(pool, 20_000).await;
    let scans = async || -> Vec<(String, i64)> {
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await.unwrap();
        sqlx::query_as(
            "SELECT relname::text, seq_scan FROM pg_stat_user_tables
             WHERE schemaname = 'gc_channel' AND relname IN ('user_profiles', 'conversations', 'messages') ORDER BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap()
    };
    let first = list(pool, &ConversationFilter::default(), None, 50).await.unwrap();
    let middle = first.last().map(|row| (row.last_message_at, row.conversation_id.0));
    let before = scans().await;
    let everything = ConversationFilter::default;
    for (filter, after) in [
        (everything(), None),
        (everything(), middle),
        (ConversationFilter { search: Some("warga 012345".into()), ..everything() }, None),
        (ConversationFilter { search: Some("0811-0012345".into()), ..everything() }, None),
        (ConversationFilter { mode: Some("human".into()), ..everything() }, None),
        (ConversationFilter { holder: Some("rina".into()), ..everything() }, middle),
        (ConversationFilter { waiting: true, ..everything() }, None),
        (ConversationFilter { parked: true, ..everything() }, None),
        (ConversationFilter { phone_number_id: Some("dua".into()), ..everything() }, None),
        (ConversationFilter { unread: true, reader: Some("rina".into()), ..everything() }, None),
    ] {
        let rows = list(pool, &filter, after, 50).await.unwrap();
        assert!(!rows.is_empty(), "{filter:?}");
        assert_eq!(scans().await, before, "{filter:?}");
    }
}

#[tokio::test]
async fn officers_find_a_citizen_and_mark_what_they_have_read() {
    let office = Office::open().await;
    for citizen in ["pembaca", "penulis"] {
        office.citizen(citizen).await;
        office.says(citizen, "halo").await;
        office.replies(citizen, 1).await;
    }
    office.is_quiet().await;
    let listed = async |query: &str| -> Vec<Value> {
        let page = office.get("channel", &format!("/internal/conversations?{query}")).await;
        page["items"].as_array().unwrap().clone()
    };
    let found = listed("q=warga%20PEMB&admin_id=rina").await;
    assert_eq!(
        (found.len(), &found[0]["display_name"], &found[0]["unread"]),
        (1, &json!("Warga pembaca"), &json!(1))
    );
    let id = found[0]["conversation_id"].as_str().unwrap();
    let phone = found[0]["wa_user_id"].as_str().unwrap();
    let national = format!("0{}", phone.strip_prefix("62").unwrap());
    assert_eq!(listed(&format!("q={national}")).await.len(), 1);
    assert_eq!(listed("unread=true&admin_id=rina&mode=bot").await.len(), 2);
    assert_eq!(listed("mode=human").await.len(), 0);

    let messages = office.get("channel", &format!("/internal/messages?conversation_id={id}")).await;
    let newest = &messages["items"][0]["message_id"];
    let path = format!("/internal/conversations/{id}/read");
    office.post(&path, json!({"admin_id": "rina", "message_id": newest})).await.success(204);
    assert_eq!(listed("unread=true&admin_id=rina").await.len(), 1);
    let one = office.get("channel", &format!("/internal/conversations/{phone}?admin_id=rina")).await;
    assert_eq!((&one["conversation_id"], &one["unread"]), (&json!(id), &json!(0)));
    assert_eq!(
        office.get("channel", &format!("/internal/conversations/{id}?admin_id=budi")).await["unread"],
        1
    );

    office.says("pembaca", "masih di sana?").await;
    office.replies("pembaca", 2).await;
    let one = office.get("channel", &format!("/internal/conversations/{id}?admin_id=rina")).await;
    assert_eq!(one["unread"], 1);

    let unknown = json!({"admin_id": "rina", "message_id": uuid::Uuid::now_v7()});
    office.post(&path, unknown).await.problem(404);
    office.post(&path, json!({"admin_id": " ", "message_id": newest})).await.problem_with_field("admin_id");
    for (query, field) in [("q=ab", "q"), ("mode=ai", "mode"), ("page=2", "page"), ("cursor=x", "cursor")] {
        let path = format!("/internal/conversations?{query}");
        office.internal(Method::GET, "channel", &path, None).await.problem_with_field(field);
    }
    office.internal(Method::GET, "channel", "/internal/conversations/628999", None).await.problem(404);
    let bare = office
        .http
        .get(office.url("channel", &format!("/internal/conversations/{id}")))
        .send()
        .await
        .unwrap();
    assert_eq!(bare.status(), 401);
    office.check().await;
    office.close().await;
}

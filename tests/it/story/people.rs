//! Who is who: people change their number, numbers change their people, and people change their words.

use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office, eventually};

const LAMP: &str = "Lampu jalan mati di Jl. Kenanga No. 3, gelap sekali";
const MY_COMPLAINTS: &str = "bagaimana status laporan saya?";
const OPEN_MERGES: &str = "SELECT count(*) FROM gc_channel.commands WHERE kind = 'merge' AND done_at IS NULL";

async fn introduce(office: &Office, id: &str, phone: &str) {
    office.control("citizens", json!({"id": id, "name": format!("Warga {id}"), "phone": phone})).await;
}

/// What WhatsApp tells about this citizen.
async fn system(office: &Office, citizen: &str, system: Value) {
    office.says_kind(citizen, json!({"raw": {"type": "system", "system": system}})).await;
}

async fn person_of(office: &Office, conversation: &str) -> String {
    sqlx::query_scalar(
        "SELECT person_id::text FROM gc_channel.conversations WHERE conversation_id = $1::uuid",
    )
    .bind(conversation)
    .fetch_one(&office.database.pool)
    .await
    .unwrap()
}

/// The number in the last reply.
async fn filed(office: &Office, citizen: &str, text: &str, replies: usize) -> String {
    office.says(citizen, text).await;
    let replies = office.replies(citizen, replies).await;
    let told = &replies.last().unwrap().text;
    let start = told.find("LAP-").unwrap_or_else(|| panic!("no number in {told}"));
    told[start..]
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '-')
        .collect()
}

#[tokio::test]
async fn a_message_that_was_edited_or_taken_back_in_time_is_acted_upon_as_it_stands() {
    let office = Office::open_with(&[("CONVERSATION__QUIET_MS", "1500")]).await;
    office.citizen("ralat").await;
    office.citizen("batal").await;
    let original = office.says("ralat", BROKEN_ROAD).await;
    let withdrawn = office.says("batal", BROKEN_ROAD).await;
    let mended = BROKEN_ROAD.replace("Jl. Melati No. 15", "Jl. Mawar No. 2");
    let edit =
        json!({"original_message_id": original, "message": {"type": "text", "text": {"body": mended}}});
    let edit = office.says_kind("ralat", json!({"raw": {"type": "edit", "edit": edit}})).await;
    let revoke = json!({"original_message_id": withdrawn});
    office.says_kind("batal", json!({"raw": {"type": "revoke", "revoke": revoke}})).await;

    let replies = office.replies("ralat", 1).await;
    assert!(replies[0].text.contains("Jl. Mawar No. 2"), "{replies:?}");
    office.check().await;
    assert!(office.accepted(Some("batal")).await.is_empty(), "what was taken back is not answered");
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, 1);

    let transcript = async |citizen: &str| {
        let id = office.conversation(citizen).await;
        office.get("channel", &format!("/internal/messages?conversation_id={id}")).await["items"].clone()
    };
    let find = |items: &Value, wamid: &str| {
        items.as_array().unwrap().iter().find(|item| item["wamid"] == wamid).unwrap().clone()
    };
    let items = transcript("ralat").await;
    assert_eq!(find(&items, &original)["edited_by"], edit.as_str());
    assert_eq!(find(&items, &original)["text"], BROKEN_ROAD, "the words as they were first are kept");
    let shown = find(&items, &edit);
    assert_eq!((&shown["text"], &shown["changes"]), (&json!(mended), &json!(original)));
    let items = transcript("batal").await;
    assert!(find(&items, &withdrawn)["revoked_at"].is_string(), "{items}");
    office.close().await;
}

#[tokio::test]
async fn somebody_who_changed_their_number_keeps_everything_also_what_the_new_number_did_before_it_was_told()
{
    let office = Office::open().await;
    introduce(&office, "lama", "6281300000001").await;
    introduce(&office, "baru", "6281300000002").await;
    let first = filed(&office, "lama", BROKEN_ROAD, 1).await;
    let second = filed(&office, "baru", LAMP, 1).await;
    office.is_quiet().await;
    let (old, new) = (office.conversation("lama").await, office.conversation("baru").await);
    let (one, other) = (person_of(&office, &old).await, person_of(&office, &new).await);

    system(
        &office,
        "lama",
        json!({"type": "user_changed_number", "body": "ganti", "wa_id": "6281300000002"}),
    )
    .await;
    office
        .until_count("SELECT count(*) FROM gc_channel.user_profiles WHERE merged_into IS NOT NULL", 1)
        .await;
    office.until_count(OPEN_MERGES, 0).await;
    office.is_quiet().await;
    office.says("baru", MY_COMPLAINTS).await;
    let told = office.replies("baru", 2).await;
    let told = &told.last().unwrap().text;
    assert!(told.contains(&first) && told.contains(&second), "both are theirs: {told}");

    // Old ids lead to what is left, whatever they are.
    for id in [old.as_str(), new.as_str(), "6281300000002"] {
        let status = office.get("channel", &format!("/internal/takeover/{id}/status")).await;
        assert_eq!(status["conversation_id"], old.as_str(), "{id}");
    }
    let transcript =
        office.get("channel", &format!("/internal/messages?conversation_id={new}&limit=100")).await;
    let texts: Vec<&str> =
        transcript["items"].as_array().unwrap().iter().filter_map(|item| item["text"].as_str()).collect();
    assert!(texts.contains(&BROKEN_ROAD) && texts.contains(&LAMP), "one transcript: {texts:?}");
    for id in [&one, &other] {
        let held = office.get("channel", &format!("/internal/people/{id}")).await;
        assert_eq!(held["person_id"], one.as_str());
        let kinds: Vec<&str> =
            held["log"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["renamed", "merged"]);
    }
    assert_eq!(office.count("SELECT count(DISTINCT person_id) FROM gc_case.complaints").await, 1);

    // The number that was left is somebody else's when it writes again.
    office.says("lama", MY_COMPLAINTS).await;
    let strange = office.replies("lama", 2).await;
    assert!(!strange.last().unwrap().text.contains("LAP-"), "{strange:?}");
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn a_number_whose_owner_may_have_changed_starts_afresh_until_an_officer_links_them() {
    let office = Office::open().await;
    introduce(&office, "nomor", "6281300000003").await;
    let number = filed(&office, "nomor", BROKEN_ROAD, 1).await;
    office.is_quiet().await;
    let before = person_of(&office, &office.conversation("nomor").await).await;
    system(&office, "nomor", json!({"type": "customer_identity_changed", "wa_id": "6281300000003"})).await;
    office.says("nomor", MY_COMPLAINTS).await;
    let told = office.replies("nomor", 2).await;
    assert!(!told[1].text.contains(&number), "nothing of the one before: {told:?}");

    let suggested = office.get("channel", "/internal/link-suggestions").await;
    let pair = &suggested["items"][0];
    let (one, other) = (pair["person_id"].as_str().unwrap(), pair["other_person_id"].as_str().unwrap());
    assert!(one == before || other == before, "{suggested}");
    let link = format!("/internal/people/{one}/link");
    let body = json!({"other_person_id": other, "admin_id": "rina", "reason": "sudah dicek lewat KTP"});
    office.post(&link, body.clone()).await.success(202);
    let unknown = json!({"other_person_id": uuid::Uuid::now_v7(), "admin_id": "rina", "reason": "x"});
    assert_eq!(office.post(&link, unknown).await.status.as_u16(), 404);
    office.until_count(OPEN_MERGES, 0).await;
    assert_eq!(office.post(&link, body).await.status.as_u16(), 409, "they are one already");
    assert_eq!(office.get("channel", "/internal/link-suggestions").await["items"], json!([]));
    office.is_quiet().await;
    office.says("nomor", MY_COMPLAINTS).await;
    let told = office.replies("nomor", 3).await;
    assert!(told[2].text.contains(&number), "{told:?}");
    let held = office.get("channel", &format!("/internal/people/{before}")).await;
    assert!(held["log"].as_array().unwrap().iter().any(|entry| {
        entry["kind"] == "link_requested"
            && entry["actor"] == "rina"
            && entry["reason"] == "sudah dicek lewat KTP"
    }));
    office.check().await;

    // Erasing one erases what was merged into them.
    office
        .internal(reqwest::Method::DELETE, "channel", &format!("/internal/people/{before}"), None)
        .await
        .success(204);
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.user_profiles").await, 0);
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.person_log").await, 0);
    office.close().await;
}

#[tokio::test]
async fn a_merge_waits_while_an_officer_holds_one_of_the_conversations() {
    let office = Office::open().await;
    introduce(&office, "satu", "6281300000004").await;
    introduce(&office, "dua", "6281300000005").await;
    for citizen in ["satu", "dua"] {
        filed(&office, citizen, BROKEN_ROAD, 1).await;
    }
    office.is_quiet().await;
    let (one, two) = (office.conversation("satu").await, office.conversation("dua").await);
    office.post(&format!("/internal/takeover/{two}/start"), json!({"admin_id": "rina"})).await.success(200);
    let people = (person_of(&office, &one).await, person_of(&office, &two).await);
    let body = json!({"other_person_id": people.1, "admin_id": "rina", "reason": "orang yang sama"});
    office.post(&format!("/internal/people/{}/link", people.0), body.clone()).await.success(202);
    assert_eq!(office.post(&format!("/internal/people/{}/link", people.0), body).await.status.as_u16(), 409);
    let waited = "SELECT count(*) FROM gc_channel.commands WHERE kind = 'merge' AND attempts >= 2";
    office.until_count(waited, 1).await;
    assert_eq!(
        office.count("SELECT count(*) FROM gc_channel.conversations WHERE merged_into IS NOT NULL").await,
        0
    );
    // What the citizen writes meanwhile goes with them.
    office.says("dua", MY_COMPLAINTS).await;
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'", 3).await;
    let seen = sqlx::query_scalar::<_, String>(
        "SELECT message_id::text FROM gc_channel.messages WHERE conversation_id = $1::uuid ORDER BY seq LIMIT 1",
    )
    .bind(&two)
    .fetch_one(&office.database.pool)
    .await
    .unwrap();
    let end = json!({"admin_id": "rina", "last_seen_message_id": seen});
    office.post(&format!("/internal/takeover/{two}/end"), end).await.success(204);
    office.until_count(OPEN_MERGES, 0).await;
    let told = office.replies("dua", 2).await;
    assert!(told[1].text.contains("LAP-"), "{told:?}");
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn what_was_put_aside_is_listed_by_kind_retried_and_resolved() {
    let office = Office::open().await;
    office.citizen("antre").await;
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": "account_update", "value": {"event": "VERIFIED_ACCOUNT"}},
        {"field": "messages", "value": {"metadata": {"phone_number_id": crate::support::office::NUMBER},
            "messages": [{"from": "6281200000077", "id": "wamid.kept", "timestamp": "bukan waktu", "type": "text",
                "text": {"body": "halo"}}]}}]}]});
    office.control("webhook", json!({ "body": body })).await;
    let listed = async |kind: &str| {
        let path = format!("/internal/parked-updates?kind={kind}");
        office.get("channel", &path).await["items"].as_array().unwrap().clone()
    };
    let not_handled = eventually("it is listed", async || listed("not_handled").await.pop()).await;
    assert_eq!(not_handled["piece"], "change");
    let poison = listed("poison").await.pop().unwrap();
    assert_eq!(
        (&poison["piece"], &poison["phone_number_id"]),
        (&json!("message"), &json!(crate::support::office::NUMBER))
    );
    let retry =
        |item: &Value| format!("/internal/parked-updates/{}/retry", item["parked_id"].as_str().unwrap());
    let resolve =
        |item: &Value| format!("/internal/parked-updates/{}/resolve", item["parked_id"].as_str().unwrap());
    assert_eq!(office.post(&retry(&not_handled), json!({})).await.status.as_u16(), 409);
    assert_eq!(office.post(&retry(&poison), json!({})).await.status.as_u16(), 409);
    let done = json!({"admin_id": "operator", "note": "hanya pemberitahuan"});
    office.post(&resolve(&not_handled), done.clone()).await.success(204);
    assert_eq!(office.post(&resolve(&not_handled), done).await.status.as_u16(), 404);
    assert!(listed("not_handled").await.is_empty());

    // As if a version that reads this time had been installed.
    sqlx::query(
        "UPDATE gc_channel.parked_updates
         SET raw = convert_to(replace(convert_from(raw, 'UTF8'), 'bukan waktu', extract(epoch FROM now())::bigint::text), 'UTF8')",
    )
    .execute(&office.database.pool)
    .await
    .unwrap();
    let filed = office.post(&retry(&poison), json!({})).await.success(200);
    assert_eq!(filed["messages"], 1, "{filed}");
    assert_eq!(office.post(&retry(&poison), json!({})).await.status.as_u16(), 404, "it is resolved");
    assert!(listed("poison").await.is_empty());
    office.check().await;
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.messages WHERE wamid = 'wamid.kept'").await, 1);
    office.close().await;
}

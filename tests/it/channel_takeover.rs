//! How a takeover ends: what the officer saw, and who says that the bot is back.

use govconnect::ids::MessageId;
use govconnect::store::channel::takeover;

use crate::channel_store::{conversation, count, load, message, start_of, take_in};
use crate::support::database::TestDatabase;

#[tokio::test]
async fn a_takeover_does_not_end_at_a_message_of_another_conversation() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let other = take_in(pool, vec![message("other", Some("6282"), None)]).await.wake.first().unwrap().1;
    let foreign = load(pool, other, 1).await.unwrap().inbox[0].message_id;
    let own = load(pool, id, 1).await.unwrap().inbox[0].message_id;
    takeover::start(pool, &start_of(id)).await.unwrap();
    for unknown in [foreign, MessageId::new()] {
        let refused = takeover::end(pool, id, Some("ani"), Some(unknown), "done").await.unwrap_err();
        assert_eq!(refused.to_string(), "the message that was seen last is not in this conversation");
    }
    let held = "SELECT count(*) FROM gc_channel.conversations WHERE mode = 'human'";
    assert_eq!(count(pool, held).await, 1, "nothing was changed");
    takeover::end(pool, id, Some("ani"), Some(own), "done").await.unwrap();
    assert!(load(pool, id, 1).await.unwrap().inbox.is_empty());
}

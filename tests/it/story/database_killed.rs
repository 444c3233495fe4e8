//! PostgreSQL is killed under load and comes back: Meta was told 503 meanwhile, the node goes on by itself, and nothing
//! is lost, doubled or disordered.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::database::TestDatabase;
use crate::support::office::{BROKEN_ROAD, Office};
use crate::support::private_server::PrivateServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_killed_under_load_loses_and_doubles_nothing() {
    const CITIZENS: usize = 18;
    const KILLS: usize = 3;
    let seed: u64 = rand::rng().random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = PrivateServer::start().await;
    let database = TestDatabase::on(server.url()).await;
    let mut office = Office::closed_on(database, &[]).await;
    office.start().await;
    for number in 0..CITIZENS {
        office.citizen(&format!("warga{number}")).await;
    }
    for kill in 0..KILLS {
        let their_turn = || (0..CITIZENS).skip(kill).step_by(KILLS);
        for number in their_turn() {
            office.says(&format!("warga{number}"), BROKEN_ROAD).await;
        }
        // The moment is the point of the test: from the intake's commits to the replies.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..700))).await;
        server.kill().await;
        // Not taken: Meta is told to come again, and does.
        for number in their_turn() {
            office.says(&format!("warga{number}"), "sudah lama begitu").await;
        }
        let refused = |entry: &serde_json::Value| entry["status"] == 503;
        office.wait_for_log("kind=webhook", kill + 1, refused).await;
        server.start_again().await;
    }
    for number in 0..CITIZENS {
        // Not always the first reply: what Meta brings again may come after what was said later.
        office.replied_with(&format!("warga{number}"), "LAP-").await;
    }
    office.check().await;
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, CITIZENS as i64, "seed {seed}");
    assert_eq!(
        office.count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'").await,
        2 * CITIZENS as i64,
        "seed {seed}"
    );
    office.close().await;
}

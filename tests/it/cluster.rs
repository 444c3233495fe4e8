//! Many nodes as one system: several processes on one database and one broker.

mod chaos;
mod compose;
mod outages;
mod split;

use crate::support::database::TestDatabase;
use crate::support::nodes::Shape;
use crate::support::office::Office;

#[tokio::test]
async fn an_office_of_any_shape_tells_its_nodes_what_they_want() {
    for (shape, nodes) in [
        (Shape::OneProcess, 1),
        (Shape::Split { of_each: 1 }, 5),
        (Shape::Split { of_each: 2 }, 10),
        (Shape::Whole { nodes: 3 }, 3),
    ] {
        let office = Office::closed_as(shape.clone(), TestDatabase::create().await, &[]).await;
        for number in 0..nodes {
            let checked =
                office.command_at(number, &["check-config"]).output().await.expect("the binary runs");
            assert!(checked.status.success(), "{shape:?} {number}: {checked:?}");
        }
    }
}

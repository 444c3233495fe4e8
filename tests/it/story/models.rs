//! An office that has set a model of another: what it understands becomes a complaint, and it never learns who writes.

use serde_json::json;

use crate::support::model::{Does, FakeModel, Format};
use crate::support::office::Office;

#[actix_web::test]
async fn a_model_understands_for_the_office_and_does_not_learn_who_writes() {
    let slots = json!({
        "kategori": "fasilitas_umum", "alamat": "deket lapak Mbah Karso", "rt_rw": null,
        "deskripsi": "wesi jembatane wis kropos", "lap_id": null,
    });
    let model = FakeModel::start(Does::answer(&["CREATE_COMPLAINT"], slots, &[]));
    let office = Office::open_with(&[
        ("AI__PROVIDER", Format::Openai.provider()),
        ("AI__BASE_URL", &format!("{}/v1", model.url)),
        ("AI__API_KEY", "a-key-of-the-provider"),
        ("AI__MODELS", "first"),
    ])
    .await;
    // Their profile says "Warga srikandi".
    office.citizen("srikandi").await;
    office.says("srikandi", "pak, srikandi iki. wesi jembatane wis kropos deket lapak Mbah Karso").await;
    office.replied_with("srikandi", "LAP-").await;
    let complaint = office.get("case", "/internal/complaints").await["items"][0].clone();
    assert_eq!(complaint["alamat"], "deket lapak Mbah Karso", "{complaint}");
    let requests = model.requests();
    assert!(!requests.is_empty());
    for request in requests {
        let sent = format!("{request:?}").to_lowercase();
        assert!(!sent.contains("srikandi") && sent.contains("kropos"), "{sent}");
    }
    office.check().await;
    office.close().await;
    model.stop().await;
}

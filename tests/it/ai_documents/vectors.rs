//! Vectors of passages: made, indexed, asked, and replaced by those of another model.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use govconnect::ai::documents::FileKind;
use govconnect::ai::embedding::{Embedding, EmbeddingError, Step};
use govconnect::ai::providers::{EmbedTask, Embedder, ProviderError};
use govconnect::ai::retrieval::{Method, Retriever};
use govconnect::ai::service::AiService;
use govconnect::ids::NodeId;
use govconnect::store::ai::embeddings;

use super::{Desk, Upload, upload};

/// A model that knows which words mean the same and nothing else: each meaning is a direction.
struct Meanings {
    model: &'static str,
    dimensions: usize,
    fails: bool,
}

const MEANINGS: &[&[&str]] = &[&["anjing", "satwa", "hewan"], &["banjir", "genangan"], &["pohon", "tanaman"]];

impl Embedder for Meanings {
    fn model(&self) -> &str {
        self.model
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
        _: EmbedTask,
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ProviderError>> {
        let vector = |text: &String| {
            let text = text.to_lowercase();
            let mut vector = vec![0.0; self.dimensions];
            // What means nothing known has a direction of its own, so that it is near to nothing.
            *vector.last_mut().unwrap() = 0.01;
            for (number, words) in vector.iter_mut().zip(MEANINGS) {
                *number = if words.iter().any(|word| text.contains(word)) { 1.0 } else { 0.0 };
            }
            vector
        };
        let answer =
            if self.fails { Err(ProviderError::Unreachable) } else { Ok(texts.iter().map(vector).collect()) };
        async move { answer }.boxed()
    }
}

fn model(model: &'static str, dimensions: usize) -> Arc<dyn Embedder> {
    Arc::new(Meanings { model, dimensions, fails: false })
}

async fn finish(embedding: &Embedding) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        match embedding.step().await.unwrap() {
            Step::Idle => return steps,
            step => steps.push(step),
        }
    }
}

async fn indexes(desk: &Desk) -> BTreeSet<String> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'gc_ai' AND indexdef LIKE '%hnsw%'",
    )
    .fetch_all(desk.pool())
    .await
    .unwrap();
    names.into_iter().collect()
}

#[actix_web::test]
async fn another_model_is_made_ready_while_the_first_answers_and_then_takes_over() {
    let desk = Desk::open().await;
    for number in 0..40 {
        desk.read(&upload(FileKind::Text, format!("Aturan hewan peliharaan nomor {number}.").into_bytes()))
            .await;
    }
    let pool = desk.pool().clone();
    let first = Embedding::new(pool.clone(), NodeId::new(), model("first", 8));
    assert_eq!(finish(&first).await, [Step::Embedded(32), Step::Embedded(8), Step::Activated]);
    let active = embeddings::active(&pool).await.unwrap().unwrap();
    assert_eq!((active.model.as_str(), active.dimensions), ("first", 8));
    let standing = store_row(&desk).await;
    assert_eq!(standing, Some(1));

    // Another node does not make the same vectors at the same time.
    let neighbour = Embedding::new(pool.clone(), NodeId::new(), model("first", 8));
    desk.read(&upload(FileKind::Text, b"Aturan satwa.".to_vec())).await;
    assert_eq!(neighbour.step().await.unwrap(), Step::Idle);
    assert_eq!(finish(&first).await, [Step::Embedded(1)]);

    let second = Embedding::new(pool.clone(), NodeId::new(), model("second", 4));
    assert_eq!(second.step().await.unwrap(), Step::Embedded(32));
    assert_eq!(
        embeddings::active(&pool).await.unwrap().unwrap().model,
        "first",
        "half of it does not answer"
    );
    let retriever = |embedder: Arc<dyn Embedder>, previous: Arc<dyn Embedder>| {
        Retriever::with_vectors(pool.clone(), Method::Vector, vec![embedder, previous], 0.8)
    };
    let asking = retriever(model("second", 4), model("first", 8));
    assert!(!asking.search(&["anjing galak".into()], None, 3).await.unwrap().is_empty());

    assert_eq!(finish(&second).await, [Step::Embedded(9), Step::Activated]);
    let active = embeddings::active(&pool).await.unwrap().unwrap();
    assert_eq!((active.model.as_str(), active.dimensions), ("second", 4));
    assert_eq!(desk.count("embeddings").await, 41, "nothing is left of the first");
    assert_eq!(desk.count("embedding_models").await, 1);
    assert_eq!(indexes(&desk).await, BTreeSet::from([format!("embeddings_model_{}", active.model_id)]));
    assert!(!asking.search(&["anjing galak".into()], None, 3).await.unwrap().is_empty());
}

async fn store_row(desk: &Desk) -> Option<i64> {
    let page = govconnect::store::ai::documents::list(desk.pool(), None, None, 1).await.unwrap();
    page.items.first().and_then(|row| row.embedded)
}

#[actix_web::test]
async fn what_is_meant_is_found_where_its_words_are_not_and_words_answer_when_the_model_does_not() {
    let desk = Desk::open().await;
    let animals = Upload {
        kategori: Some("hewan".into()),
        ..upload(FileKind::Text, b"Satwa liar ditangani dinas.".to_vec())
    };
    desk.read(&animals).await;
    desk.read(&upload(FileKind::Text, b"Genangan di jalan dilaporkan ke posko.".to_vec())).await;
    let embedder = model("meanings", 8);
    finish(&Embedding::new(desk.pool().clone(), NodeId::new(), embedder.clone())).await;

    let question = ["anjing galak".to_owned()];
    assert!(desk.service.search(&question[0], None, 5).await.unwrap().is_empty());
    let with = |method, embedder: Arc<dyn Embedder>| {
        Retriever::with_vectors(desk.pool().clone(), method, vec![embedder], 0.8)
    };
    for method in [Method::Hybrid, Method::Vector] {
        let found = with(method, embedder.clone()).search(&question, None, 1).await.unwrap();
        assert_eq!(found[0].source_id, animals.source_id, "{method}");
        assert!(found[0].score >= govconnect::ai::retrieval::THRESHOLD, "{method}: {}", found[0].score);
        let elsewhere = with(method, embedder.clone()).search(&question, Some("jalan"), 1).await.unwrap();
        assert!(elsewhere.is_empty(), "{method}: {elsewhere:?}");
    }
    // The model is away: the words of a question still find.
    let away: Arc<dyn Embedder> = Arc::new(Meanings { model: "meanings", dimensions: 8, fails: true });
    let service = AiService::new(desk.pool().clone(), std::time::Duration::from_secs(5))
        .with_retriever(with(Method::Hybrid, away.clone()));
    assert_eq!(service.search("satwa liar", None, 1).await.unwrap()[0].source_id, animals.source_id);

    // A document's vectors go with it; those that cannot be made now are made later.
    assert!(desk.service.delete_document(animals.source_id).await.unwrap());
    assert_eq!(desk.count("embeddings").await, 1);
    desk.read(&upload(FileKind::Text, b"Pohon tumbang dipotong petugas.".to_vec())).await;
    let node = NodeId::new();
    sqlx::query("UPDATE gc_ai.embedding_models SET due_at = now()").execute(desk.pool()).await.unwrap();
    let failed = Embedding::new(desk.pool().clone(), node, away).step().await;
    assert!(matches!(failed, Err(EmbeddingError::Provider(ProviderError::Unreachable))), "{failed:?}");
    assert_eq!(finish(&Embedding::new(desk.pool().clone(), node, embedder)).await, [Step::Embedded(1)]);
}

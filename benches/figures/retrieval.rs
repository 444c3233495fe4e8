//! Finding passages among twenty thousand: how long a question takes, by words and by words and vectors, and how many of the
//! truly nearest vectors the index finds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt;
use futures::future::BoxFuture;
use govconnect::ai::providers::{EmbedTask, Embedder, ProviderError};
use govconnect::ai::retrieval::{Method, PASSAGES, Retriever};
use govconnect::ids::NodeId;
use govconnect::store::ai::embeddings::{self, EmbeddingModel};
use govconnect::store::ai::{NewPassage, NewSource, put_source};
use pgvector::Vector;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::settle;
use crate::report::{Goal, Report};
use crate::server::Server;
use crate::{Extent, say};

const SEED: u64 = 5;
const WORDS: usize = 20_000;
const PASSAGES_OF_A_DOCUMENT: usize = 20;
const WORDS_OF_A_PASSAGE: usize = 200;
const DIMENSIONS: usize = 384;
/// Documents about the same have vectors near to one another.
const DOCUMENTS_OF_A_CLUSTER: usize = 5;
const TOPIC_WORDS: usize = 30;
const MODEL: &str = "figures";

/// A made-up office's documents.
struct Library {
    vocabulary: Vec<String>,
    /// What each document is about: places in the vocabulary.
    topics: Vec<Vec<usize>>,
}

impl Library {
    fn new(random: &mut StdRng, documents: usize) -> Self {
        let topic = |random: &mut StdRng| (0..TOPIC_WORDS).map(|_| random.random_range(50..WORDS)).collect();
        Library { vocabulary: vocabulary(random), topics: (0..documents).map(|_| topic(random)).collect() }
    }

    /// As in any language: the nth word is n times as rare as the first.
    fn any_word(&self, random: &mut StdRng) -> &str {
        let place = (WORDS as f64).powf(random.random_range(0.0..1.0));
        self.word(place as usize - 1)
    }

    fn word(&self, place: usize) -> &str {
        self.vocabulary.get(place.min(WORDS - 1)).map_or("", String::as_str)
    }

    fn topic_word(&self, random: &mut StdRng, document: usize) -> &str {
        let topic = self.topics.get(document).map_or(&[][..], Vec::as_slice);
        self.word(topic.get(random.random_range(0..TOPIC_WORDS)).copied().unwrap_or_default())
    }

    fn passage(&self, random: &mut StdRng, document: usize) -> NewPassage {
        let words: Vec<&str> = (0..WORDS_OF_A_PASSAGE)
            .map(|_| match random.random_bool(0.25) {
                true => self.topic_word(random, document),
                false => self.any_word(random),
            })
            .collect();
        NewPassage {
            heading: self.topic_word(random, document).to_owned(),
            content: words.join(" "),
            page: None,
        }
    }

    /// A few words of a document's matter, with some that are everywhere, and now and then one that is nowhere.
    fn question(&self, random: &mut StdRng) -> String {
        let document = random.random_range(0..self.topics.len());
        let mut words: Vec<String> =
            (0..random.random_range(1..4)).map(|_| self.topic_word(random, document).to_owned()).collect();
        words
            .extend((0..random.random_range(1..4)).map(|_| self.word(random.random_range(0..40)).to_owned()));
        if random.random_bool(0.1) {
            let mut typo = self.topic_word(random, document).to_owned();
            typo.push('x');
            words.push(typo);
        }
        words.join(" ")
    }
}

/// Made of syllables, each once; none of them means anything.
fn vocabulary(random: &mut StdRng) -> Vec<String> {
    const BEGIN: &[&str] = &["b", "c", "d", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "w"];
    const MIDDLE: &[&str] = &["a", "i", "u", "e", "o"];
    let mut seen = HashSet::new();
    while seen.len() < WORDS {
        let syllables = random.random_range(3..5);
        let word: String = (0..syllables)
            .flat_map(|_| {
                [BEGIN[random.random_range(0..BEGIN.len())], MIDDLE[random.random_range(0..MIDDLE.len())]]
            })
            .collect();
        seen.insert(word);
    }
    let mut words: Vec<String> = seen.into_iter().collect();
    // A set's order differs from run to run.
    words.sort();
    for place in (1..words.len()).rev() {
        words.swap(place, random.random_range(0..=place));
    }
    words
}

/// Around the centre of its cluster, of length 1.
fn vector(cluster: u64, random: &mut StdRng) -> Vec<f32> {
    let mut of_cluster = StdRng::seed_from_u64(SEED ^ (cluster << 20));
    let numbers: Vec<f32> = (0..DIMENSIONS)
        .map(|_| of_cluster.random_range(-1.0_f32..1.0) + 0.5 * random.random_range(-1.0_f32..1.0))
        .collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.into_iter().map(|number| number / length).collect()
}

/// A question's vector comes from its words alone, at once: what a real model takes is not ours to measure.
struct Generator {
    clusters: u64,
}

impl Embedder for Generator {
    fn model(&self) -> &str {
        MODEL
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
        _: EmbedTask,
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ProviderError>> {
        let vectors = texts.iter().map(|text| {
            let number =
                text.bytes().fold(SEED, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
            vector(number % self.clusters, &mut StdRng::seed_from_u64(number))
        });
        let vectors = vectors.collect();
        async move { Ok(vectors) }.boxed()
    }
}

/// `retrieval.p99_ms`, `retrieval.hybrid_p99_ms` and their rival, and `retrieval.recall10`.
pub async fn measure(server: &Server, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    const DATABASE: &str = "figures_retrieval";
    server.create(DATABASE).await?;
    let pool = server.pool(DATABASE, 4).await?;
    let mut random = StdRng::seed_from_u64(SEED);
    let documents = extent.passages.div_ceil(PASSAGES_OF_A_DOCUMENT);
    let library = Library::new(&mut random, documents);
    fill(&pool, &library, &mut random).await?;
    let clusters = documents.div_ceil(DOCUMENTS_OF_A_CLUSTER) as u64;
    let model = embed(&pool, clusters, &mut random).await?;
    for table in [
        "VACUUM (ANALYZE) gc_ai.knowledge_vectors",
        "VACUUM (ANALYZE) gc_ai.embeddings",
        "VACUUM (ANALYZE) gc_ai.lexemes",
        "VACUUM (ANALYZE) gc_ai.words",
    ] {
        sqlx::query(table).execute(&pool).await?;
    }
    settle(&pool).await?;

    let questions: Vec<[String; 1]> =
        (0..extent.questions).map(|_| [library.question(&mut random)]).collect();
    let by_words = Retriever::full_text(pool.clone());
    let embedder: Arc<dyn Embedder> = Arc::new(Generator { clusters });
    let hybrid = Retriever::with_vectors(pool.clone(), Method::Hybrid, vec![embedder], 0.8);
    let (mut words_ms, mut hybrid_ms, mut plain_ms, mut found) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..=extent.rounds {
        let (mut words, mut both, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for question in &questions {
            let started = Instant::now();
            found += by_words.search(question, None, PASSAGES).await?.len();
            words.push(started.elapsed());
            let started = Instant::now();
            found += hybrid.search(question, None, PASSAGES).await?.len();
            both.push(started.elapsed());
            let started = Instant::now();
            found += rank_all(&pool, &question[0]).await?;
            plain.push(started.elapsed());
        }
        say(&format!("  retrieval, round {round}: {:.1} ms by words", p99(&mut words.clone())));
        // The first warms up.
        if round > 0 {
            words_ms.push(p99(&mut words));
            hybrid_ms.push(p99(&mut both));
            plain_ms.push(p99(&mut plain));
        }
    }
    anyhow::ensure!(found > 0, "no question found anything");
    let against = "ts_rank_cd over all matches";
    report.add("retrieval.p99_ms", &words_ms, "ms", Goal::AtMost(20.0), Some(against))?;
    report.add("retrieval.hybrid_p99_ms", &hybrid_ms, "ms", Goal::AtMost(20.0), Some(against))?;
    report.add("retrieval.plain_p99_ms", &plain_ms, "ms", Goal::None, None)?;
    let recall = recall(&pool, &model, clusters, extent.questions, &mut random).await?;
    report.add("retrieval.recall10", &[recall], "", Goal::AtLeast(0.98), Some("exact search"))?;
    pool.close().await;
    Ok(())
}

async fn fill(pool: &PgPool, library: &Library, random: &mut StdRng) -> anyhow::Result<()> {
    for document in 0..library.topics.len() {
        let passages: Vec<NewPassage> =
            (0..PASSAGES_OF_A_DOCUMENT).map(|_| library.passage(random, document)).collect();
        let source = NewSource {
            source_id: Uuid::now_v7(),
            version: 1,
            kind: "text".to_owned(),
            title: format!("{} {}", library.topic_word(random, document), library.any_word(random)),
            kategori: None,
            content_hash: document.to_be_bytes().to_vec(),
            content_sha256: document.to_be_bytes().to_vec(),
            characters: 0,
        };
        put_source(pool, &source, &passages).await?;
        if document % 250 == 249 {
            say(&format!("  retrieval: {} documents", document + 1));
        }
    }
    Ok(())
}

async fn embed(pool: &PgPool, clusters: u64, random: &mut StdRng) -> anyhow::Result<EmbeddingModel> {
    let dimensions = i32::try_from(DIMENSIONS)?;
    let claimed = embeddings::claim(pool, NodeId::new(), MODEL, dimensions).await?;
    let model = claimed.context("nobody else makes vectors here")?;
    let mut made = 0_u64;
    loop {
        let missing = embeddings::missing(pool, &model, 500).await?;
        if missing.is_empty() {
            break;
        }
        let of_cluster = (PASSAGES_OF_A_DOCUMENT * DOCUMENTS_OF_A_CLUSTER) as u64;
        let vectors = missing.iter().map(|passage| {
            made += 1;
            (passage.passage_id, vector((made / of_cluster) % clusters, random))
        });
        let vectors = vectors.collect();
        embeddings::store(pool, &model, vectors).await?;
    }
    say(&format!("  retrieval: {made} vectors"));
    embeddings::ensure_index(pool, &model).await?;
    anyhow::ensure!(embeddings::activate(pool, &model).await?, "passages without a vector");
    Ok(EmbeddingModel { active: true, ..model })
}

/// The rival: every passage that has any of the words is ranked.
async fn rank_all(pool: &PgPool, question: &str) -> anyhow::Result<usize> {
    let any: String = question.split(' ').collect::<Vec<_>>().join(" OR ");
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT passage_id, content FROM gc_ai.knowledge_vectors, websearch_to_tsquery('indonesian', $1) AS query
         WHERE tsv @@ query ORDER BY ts_rank_cd(tsv, query, 32) DESC LIMIT $2",
    )
    .bind(any)
    .bind(PASSAGES)
    .fetch_all(pool)
    .await?;
    Ok(rows.len())
}

/// The share of the ten nearest that the index finds.
async fn recall(
    pool: &PgPool,
    model: &EmbeddingModel,
    clusters: u64,
    questions: usize,
    random: &mut StdRng,
) -> anyhow::Result<f64> {
    let (mut kept, mut all) = (0, 0);
    for _ in 0..questions {
        let question = vector(random.random_range(0..clusters), random);
        let near = embeddings::nearest(pool, model, &question, None, 10).await?;
        let near: HashSet<Uuid> = near.into_iter().map(|passage| passage.passage_id).collect();
        let mut exactly = pool.begin_with("BEGIN; SET LOCAL enable_indexscan = off").await?;
        let exact: Vec<Uuid> = sqlx::query_scalar(
            "SELECT passage_id FROM gc_ai.embeddings WHERE model_id = $1 ORDER BY embedding <=> $2, passage_id LIMIT 10",
        )
        .bind(model.model_id)
        .bind(Vector::from(question))
        .fetch_all(&mut *exactly)
        .await?;
        exactly.commit().await?;
        kept += exact.iter().filter(|id| near.contains(*id)).count();
        all += exact.len();
    }
    Ok(kept as f64 / all.max(1) as f64)
}

/// Milliseconds that 99 of 100 stay within.
fn p99(times: &mut [Duration]) -> f64 {
    times.sort();
    let place = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

//! Full text: what the index knows of words, and which passages have those of a question. How well a passage answers is
//! judged elsewhere (`ai/retrieval/ranking.rs`).
//!
//! What is rare decides. Terms that are in few passages name the candidates through the index; of those that are in very
//! many, only their meeting with others is looked for, so that no question reads the whole table. How rare a term is, and
//! how a misspelt one might be written, is known beforehand (`gc_ai.lexemes`, `gc_ai.words`).

use sqlx::PgPool;

use super::FoundPassage;
use crate::store::StoreError;

/// A term that more passages have is common.
const COMMON: i64 = 1000;
/// Common terms alone are searched for only if they are so much of the question that a passage may answer it.
const COMMON_SHARE: f64 = 0.4;
/// A common term is looked for beside rarer ones if it weighs at least so much of what the heaviest does.
const TELLING: f64 = 0.2;
/// Passages that are read and scored, at most.
const CANDIDATES: i64 = 60;

/// A word as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedWord {
    /// Its stem.
    pub lexeme: String,
    /// Passages that have it.
    pub passages: i64,
    /// Where no passage has it: the stems of words spelt like it, each with its passages.
    pub alike: Vec<(String, i64)>,
}

/// A word of a question: the lexemes that stand for it, each with how many passages have it, the likeliest first.
#[derive(Clone, Debug)]
pub struct Term {
    pub lexemes: Vec<(String, i64)>,
    /// What having it is worth.
    pub weight: f64,
}

/// A passage that may answer, with what it has of the question.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub passage: FoundPassage,
    /// Its place in the document.
    pub ordinal: i32,
    /// Different words that it has.
    pub length: i32,
    pub hits: Vec<Hit>,
}

/// A lexeme in a passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub lexeme: String,
    /// 1 for the title and 1 for the headings, if it is in them.
    pub in_head: i32,
    /// How often it is in the text.
    pub in_content: i32,
}

/// What the index knows of `words`, in their order, and how many passages there are. What is spelt alike is looked for
/// only where `repaired` says so.
///
/// # Errors
/// As [`StoreError`].
pub async fn look_up(pool: &PgPool, words: &[(String, bool)]) -> Result<(Vec<IndexedWord>, i64), StoreError> {
    let (words, repaired): (Vec<String>, Vec<bool>) = words.iter().cloned().unzip();
    let rows = sqlx::query!(
        r#"
        SELECT coalesce(stem.lexeme, '') AS "lexeme!", coalesce(stored.passages, 0)::bigint AS "passages!",
               alike.lexemes AS alike, alike.passages AS alike_passages,
               coalesce((SELECT passages FROM gc_ai.lexemes WHERE lexeme = ''), 0)::bigint AS "total!"
        FROM unnest($1::text[], $2::bool[]) WITH ORDINALITY AS asked (word, repaired, place)
             LEFT JOIN LATERAL (
                 SELECT (tsvector_to_array(to_tsvector('indonesian'::regconfig, asked.word)))[1] AS lexeme
             ) AS stem ON true
             LEFT JOIN gc_ai.lexemes AS stored ON stored.lexeme = stem.lexeme AND stem.lexeme <> ''
             LEFT JOIN LATERAL (
                 SELECT array_agg(near.lexeme ORDER BY near.lexeme) AS lexemes,
                        array_agg(near.passages::bigint ORDER BY near.lexeme) AS passages
                 FROM gc_ai.lexemes AS near
                 WHERE near.lexeme = ANY (tsvector_to_array(to_tsvector('indonesian'::regconfig, (
                     SELECT string_agg(word, ' ')
                     FROM (
                         SELECT word FROM gc_ai.words
                         WHERE length(asked.word) >= 5 AND asked.word <% word
                         ORDER BY similarity(asked.word, word) DESC, word LIMIT 4
                     ) AS nearest
                 ))))
             ) AS alike ON asked.repaired AND stored.passages IS NULL
        ORDER BY place
        "#,
        &words,
        &repaired,
    )
    .fetch_all(pool)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let words = rows.into_iter().map(|row| {
        let alike = row.alike.unwrap_or_default().into_iter().zip(row.alike_passages.unwrap_or_default());
        IndexedWord { lexeme: row.lexeme, passages: row.passages, alike: alike.collect() }
    });
    Ok((words.collect(), total))
}

/// The passages that have most of what `terms` weigh, with what each has of `lexemes`; in no order.
///
/// A passage is a candidate when it has any of the rarer terms, or nearly all of the common ones.
///
/// # Errors
/// As [`StoreError`].
pub async fn candidates(
    pool: &PgPool,
    terms: &[Term],
    lexemes: &[String],
    kategori: Option<&str>,
) -> Result<Vec<Candidate>, StoreError> {
    let probes = Probes::of(&halved(terms));
    let rows = sqlx::query!(
        r#"
        WITH by_rare AS (
            SELECT hit.passage_id
            FROM unnest($1::text[], $2::float8[]) AS probe (query, worth),
                 LATERAL (
                     SELECT passage_id FROM gc_ai.knowledge_vectors
                     WHERE tsv @@ probe.query::tsquery AND ($4::text IS NULL OR kategori = $4)
                 ) AS hit
            GROUP BY hit.passage_id ORDER BY sum(probe.worth) DESC, hit.passage_id LIMIT $6
        ), by_common AS (
            SELECT hit.passage_id
            FROM unnest($3::text[]) AS probe (query),
                 LATERAL (
                     SELECT passage_id FROM gc_ai.knowledge_vectors
                     WHERE tsv @@ probe.query::tsquery AND ($4::text IS NULL OR kategori = $4)
                     LIMIT $6
                 ) AS hit
        ), candidates AS (
            SELECT passage_id FROM by_rare UNION SELECT passage_id FROM by_common
        )
        SELECT passage_id AS "passage_id!", source_id, source_title, heading, content, page, ordinal,
               length(tsv) AS "length!",
               hits.lexemes AS "lexemes!", hits.in_head AS "in_head!", hits.in_content AS "in_content!"
        FROM candidates JOIN gc_ai.knowledge_vectors AS passage USING (passage_id),
             LATERAL (
                 SELECT coalesce(array_agg(lexeme), '{}') AS lexemes,
                        coalesce(array_agg(('A' = ANY (weights))::integer + ('B' = ANY (weights))::integer), '{}') AS in_head,
                        coalesce(array_agg(coalesce(cardinality(array_positions(weights, 'D')), 0)), '{}') AS in_content
                 FROM unnest(passage.tsv)
                 WHERE lexeme = ANY ($5)
             ) AS hits
        "#,
        &probes.rare,
        &probes.worth,
        &probes.common,
        kategori,
        lexemes,
        CANDIDATES,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Candidate {
            passage: FoundPassage {
                passage_id: row.passage_id,
                source_id: row.source_id,
                source_title: row.source_title,
                heading: row.heading,
                content: row.content,
                page: row.page,
                score: 0.0,
            },
            ordinal: row.ordinal,
            length: row.length,
            hits: (row.lexemes.into_iter().zip(row.in_head).zip(row.in_content))
                .map(|((lexeme, in_head), in_content)| Hit { lexeme, in_head, in_content })
                .collect(),
        })
        .collect())
}

/// What a term is looked for with.
#[derive(Clone, Debug)]
struct Half {
    query: String,
    /// Passages that have it, at most.
    passages: i64,
    weight: f64,
}

/// Each term as those of its lexemes that few passages have, the likeliest first, and those that would be too many.
fn halved(terms: &[Term]) -> Vec<Half> {
    let mut halves = Vec::with_capacity(terms.len());
    for term in terms {
        let mut rare: Vec<&(String, i64)> = Vec::new();
        let mut common: Vec<&(String, i64)> = Vec::new();
        let mut reach = 0;
        for lexeme in &term.lexemes {
            if reach + lexeme.1 <= COMMON {
                reach += lexeme.1;
                rare.push(lexeme);
            } else {
                common.push(lexeme);
            }
        }
        let most = common.iter().map(|(_, passages)| *passages).max().unwrap_or(0).max(COMMON + 1);
        for (lexemes, passages) in [(rare, reach), (common, most)] {
            let queries: Vec<String> = lexemes.iter().map(|(lexeme, _)| quoted(lexeme)).collect();
            if let Some(query) = any_of(queries.iter().map(String::as_str)) {
                halves.push(Half { query, passages, weight: term.weight });
            }
        }
    }
    halves
}

/// A lexeme as a `tsquery` of its own.
fn quoted(lexeme: &str) -> String {
    format!("'{}'", lexeme.replace('\\', "\\\\").replace('\'', "''"))
}

/// What is asked of the index.
#[derive(Debug, Default)]
struct Probes {
    /// Each rarer term, and each common one where it meets a rarer one.
    rare: Vec<String>,
    /// What having it is worth.
    worth: Vec<f64>,
    /// All common terms together, and all but the commonest.
    common: Vec<String>,
}

impl Probes {
    fn of(terms: &[Half]) -> Self {
        let mut probes = Probes::default();
        let searchable = || terms.iter().map(|term| (term, term.query.as_str()));
        let rare: Vec<_> = searchable().filter(|(term, _)| term.passages <= COMMON).collect();
        let common: Vec<_> = searchable().filter(|(term, _)| term.passages > COMMON).collect();
        let any_rare = any_of(rare.iter().map(|(_, query)| *query));
        for (term, query) in &rare {
            probes.rare.push((*query).to_owned());
            probes.worth.push(term.weight);
        }
        // What is nearly everywhere tells candidates apart no more than chance does, and is long to read.
        let telling = TELLING * terms.iter().map(|term| term.weight).fold(0.0, f64::max);
        for (term, query) in common.iter().filter(|(term, _)| term.weight >= telling) {
            if let Some(any_rare) = &any_rare {
                probes.rare.push(format!("({query}) & ({any_rare})"));
                probes.worth.push(term.weight);
            }
        }
        let whole: f64 = terms.iter().map(|term| term.weight).sum();
        let in_common: f64 = common.iter().map(|(term, _)| term.weight).sum();
        if any_rare.is_none() || in_common >= COMMON_SHARE * whole {
            let all = |without: Option<usize>| {
                let kept = common.iter().enumerate().filter(|(place, _)| Some(*place) != without);
                kept.map(|(_, (_, query))| format!("({query})")).collect::<Vec<_>>().join(" & ")
            };
            let commonest =
                (0..common.len()).max_by_key(|place| common.get(*place).map(|(term, _)| term.passages));
            let all_but_one = commonest.filter(|_| common.len() > 1).map(Some);
            probes.common = std::iter::once(None).chain(all_but_one).map(all).collect();
            probes.common.retain(|query| !query.is_empty());
        }
        probes
    }
}

/// `(a) | (b)`; none of nothing.
fn any_of<'q>(queries: impl Iterator<Item = &'q str>) -> Option<String> {
    let queries: Vec<String> = queries.map(|query| format!("({query})")).collect();
    (!queries.is_empty()).then(|| queries.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(query: &str, passages: i64, weight: f64) -> Half {
        Half { query: query.to_owned(), passages, weight }
    }

    #[test]
    fn common_terms_are_looked_for_where_they_meet_others() {
        let probes = Probes::of(&[term("'ktp'", 300, 4.0), term("'surat'", 9000, 1.0)]);
        assert_eq!(probes.rare, ["'ktp'", "('surat') & (('ktp'))"]);
        assert!(probes.common.is_empty(), "one common term of two is no answer: {probes:?}");

        let probes = Probes::of(&[term("'surat'", 9000, 1.0), term("'syarat'", 5000, 1.5)]);
        assert!(probes.rare.is_empty());
        assert_eq!(probes.common, ["('surat') & ('syarat')", "('syarat')"]);

        let probes = Probes::of(&[term("'ktp'", 300, 4.0), term("'kantor'", 19_000, 0.7)]);
        assert_eq!(probes.rare, ["'ktp'"]);
    }
    #[test]
    fn what_stands_for_a_word_is_looked_for_as_far_as_it_is_rare() {
        let lexemes = [("urus", 400), ("mohon", 700), ("terbit", 300)];
        let lexemes = lexemes.map(|(lexeme, passages)| (lexeme.to_owned(), passages)).to_vec();
        let halves: Vec<_> = halved(&[Term { lexemes, weight: 2.0 }])
            .into_iter()
            .map(|half| (half.query, half.passages > COMMON))
            .collect();
        assert_eq!(halves, [("('urus') | ('terbit')".to_owned(), false), ("('mohon')".to_owned(), true)]);
        assert_eq!(quoted("it's \\"), r"'it''s \\'");
    }
}

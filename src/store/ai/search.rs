//! Full text: which passages have the words of a question, and how much of it they cover.
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
/// What a word is worth that is spelt nearly like the term.
const NEARLY: f64 = 0.7;

/// A term as the index knows it.
#[derive(Debug)]
struct Term {
    /// The `tsquery` of its stem, or of the words that it may have meant; none when there is nothing like it.
    query: Option<String>,
    /// Passages that have it, at most.
    passages: i64,
    weight: f64,
    /// 1, or [`NEARLY`].
    credit: f64,
}

/// The passages that fit `terms` (normalised words without stop words) best, best first.
///
/// A passage is a candidate when it has any of the rarer terms, or nearly all of the common ones. A term that no passage
/// has stands for the words that are spelt like it. The score is the share of the question that a passage covers (each term
/// weighed by how rare it is; a term that no passage has counts as a rare one, so questions about other matters score
/// low), with a little for density and for hits in title or heading.
///
/// # Errors
/// As [`StoreError`].
pub async fn search(
    pool: &PgPool,
    terms: &[String],
    kategori: Option<&str>,
    limit: i64,
) -> Result<Vec<FoundPassage>, StoreError> {
    let terms = look_up(pool, terms).await?;
    let Some(wanted) = any_of(terms.iter().filter_map(|term| term.query.as_deref())) else {
        return Ok(Vec::new());
    };
    let probes = Probes::of(&terms);
    let queries: Vec<Option<String>> = terms.iter().map(|term| term.query.clone()).collect();
    Ok(sqlx::query_as!(
        FoundPassage,
        r#"
        WITH asked AS MATERIALIZED (
            SELECT query::tsquery AS query, weight, credit
            FROM unnest($1::text[], $2::float8[], $3::float8[]) AS term (query, weight, credit)
        ), wanted AS MATERIALIZED (
            SELECT $4::text::tsquery AS query
        ), by_rare AS (
            SELECT hit.passage_id
            FROM unnest($5::text[], $6::float8[]) AS probe (query, worth),
                 LATERAL (
                     SELECT passage_id FROM gc_ai.knowledge_vectors
                     WHERE tsv @@ probe.query::tsquery AND ($8::text IS NULL OR kategori = $8)
                 ) AS hit
            GROUP BY hit.passage_id ORDER BY sum(probe.worth) DESC, hit.passage_id LIMIT 60
        ), by_common AS (
            SELECT hit.passage_id
            FROM unnest($7::text[]) AS probe (query),
                 LATERAL (
                     SELECT passage_id FROM gc_ai.knowledge_vectors
                     WHERE tsv @@ probe.query::tsquery AND ($8::text IS NULL OR kategori = $8)
                     LIMIT 60
                 ) AS hit
        ), candidates AS (
            SELECT passage_id FROM by_rare UNION SELECT passage_id FROM by_common
        ), read AS MATERIALIZED (
            SELECT passage.*, ts_filter(passage.tsv, '{a,b}') AS head
            FROM candidates JOIN gc_ai.knowledge_vectors AS passage USING (passage_id)
        )
        SELECT passage_id AS "passage_id!", source_id AS "source_id!", source_title AS "source_title!",
               heading AS "heading!", content AS "content!", page,
               (0.85 * coverage.share + 0.10 * coverage.in_head
                + 0.05 * ts_rank_cd(tsv, wanted.query, 32))::float8 AS "score!"
        FROM read, wanted,
             LATERAL (
                 SELECT sum(CASE WHEN tsv @@ query THEN weight * credit ELSE 0.0 END) / sum(weight) AS share,
                        sum(CASE WHEN head @@ query THEN weight * credit ELSE 0.0 END) / sum(weight) AS in_head
                 FROM asked
             ) AS coverage
        ORDER BY 7 DESC, source_title, ordinal
        LIMIT $9
        "#,
        &queries as &[Option<String>],
        &terms.iter().map(|term| term.weight).collect::<Vec<_>>(),
        &terms.iter().map(|term| term.credit).collect::<Vec<_>>(),
        wanted,
        &probes.rare,
        &probes.worth,
        &probes.common,
        kategori,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

async fn look_up(pool: &PgPool, terms: &[String]) -> Result<Vec<Term>, StoreError> {
    let rows = sqlx::query!(
        r#"
        SELECT asked_query::text AS "query!", known.passages AS "having_it!", alike.query AS alike,
               alike.passages AS alike_passages,
               coalesce((SELECT passages FROM gc_ai.lexemes WHERE lexeme = ''), 0) AS "total!"
        FROM unnest($1::text[]) WITH ORDINALITY AS asked (term, place),
             websearch_to_tsquery('indonesian'::regconfig, term) AS asked_query,
             LATERAL (
                 SELECT coalesce(min(coalesce(stored.passages, 0)), 0)::bigint AS passages
                 FROM unnest(tsvector_to_array(to_tsvector('indonesian'::regconfig, term))) AS stem
                      LEFT JOIN gc_ai.lexemes AS stored ON stored.lexeme = stem
             ) AS known
             LEFT JOIN LATERAL (
                 SELECT string_agg('(' || plainto_tsquery('indonesian'::regconfig, word)::text || ')', ' | ') AS query,
                        sum(passages)::bigint AS passages
                 FROM (
                     SELECT word, passages FROM gc_ai.words
                     WHERE known.passages = 0 AND length(term) >= 5 AND term <% word
                     ORDER BY similarity(term, word) DESC, word LIMIT 8
                 ) AS nearest
                 WHERE numnode(plainto_tsquery('indonesian'::regconfig, word)) > 0
             ) AS alike ON true
        WHERE numnode(asked_query) > 0
        ORDER BY place
        "#,
        terms,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let (total, having_it) = (f64::from(row.total), row.having_it);
            let weight =
                (1.0 + total / (1.0 + f64::from(u32::try_from(having_it.max(1)).unwrap_or(u32::MAX)))).ln();
            if having_it > 0 {
                Term { query: Some(row.query), passages: having_it, weight, credit: 1.0 }
            } else {
                Term { query: row.alike, passages: row.alike_passages.unwrap_or(0), weight, credit: NEARLY }
            }
        })
        .collect())
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
    fn of(terms: &[Term]) -> Self {
        let mut probes = Probes::default();
        let searchable = || terms.iter().filter_map(|term| Some((term, term.query.as_deref()?)));
        let rare: Vec<_> = searchable().filter(|(term, _)| term.passages <= COMMON).collect();
        let common: Vec<_> = searchable().filter(|(term, _)| term.passages > COMMON).collect();
        let any_rare = any_of(rare.iter().map(|(_, query)| *query));
        for (term, query) in &rare {
            probes.rare.push((*query).to_owned());
            probes.worth.push(term.weight * term.credit);
        }
        // What is nearly everywhere tells candidates apart no more than chance does, and is long to read.
        let telling = TELLING * terms.iter().map(|term| term.weight).fold(0.0, f64::max);
        for (term, query) in common.iter().filter(|(term, _)| term.weight >= telling) {
            if let Some(any_rare) = &any_rare {
                probes.rare.push(format!("({query}) & ({any_rare})"));
                probes.worth.push(term.weight * term.credit);
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

    fn term(query: &str, passages: i64, weight: f64) -> Term {
        Term { query: Some(query.to_owned()), passages, weight, credit: 1.0 }
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
}

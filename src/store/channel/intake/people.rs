//! Names become people, and names that change keep, move or leave their person (DESIGN §3, "Who is who").
//!
//! A name is one row of `identities`. Numbers are resold, so a number passes to whoever Meta names with it last, and
//! whatever the one before owns stays with them. Only Meta's own change events join what is known of two names.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{IdentityChange, IncomingMessage, Names};
use crate::ids::PersonId;
use crate::store::StoreError;
use crate::store::channel::{merges, people as records};

/// A person met this long before a change of number, or later, was met by the new number because of the change.
const CHANGE_SLACK: SignedDuration = SignedDuration::from_mins(10);

/// `("phone" | "bsuid", value)`
type Identity = (&'static str, String);

fn identities_of(names: &Names) -> impl Iterator<Item = Identity> + '_ {
    let phone = names.phone.iter().map(|phone| ("phone", phone.clone()));
    let bsuid = names.bsuid.iter().map(|bsuid| ("bsuid", bsuid.clone()));
    phone.chain(bsuid)
}

#[derive(Clone, Debug)]
struct Known {
    person: Uuid,
    /// Meta's time of what gave the name to the person.
    assigned_at: Timestamp,
    /// What the profile says; `None` when there is no profile yet.
    profile: Option<Profile>,
    /// When the person was met.
    met_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Profile {
    phone: Option<String>,
    bsuid: Option<String>,
    parent_bsuid: Option<String>,
    display_name: Option<String>,
    username: Option<String>,
}

/// The person of each message, in the messages' order; changes of names take effect between what came before and after
/// them. `None` for a change that has been applied already.
pub(super) async fn people_of(
    connection: &mut PgConnection,
    messages: &[IncomingMessage],
) -> Result<Vec<Option<PersonId>>, StoreError> {
    let mut people = Vec::with_capacity(messages.len());
    let mut rest = messages;
    while !rest.is_empty() {
        let next = rest.iter().position(|message| message.identity.is_some()).unwrap_or(rest.len());
        let plain: Vec<_> = rest[..next].iter().map(|message| (&message.sender, message.sent_at)).collect();
        people.extend(resolve(connection, &plain).await?.into_iter().map(Some));
        if let Some(change) = rest.get(next) {
            people.push(apply_change(connection, change).await?);
        }
        rest = rest.get(next + 1..).unwrap_or_default();
    }
    Ok(people)
}

/// The person of each, known or met now.
pub(super) async fn resolve(
    connection: &mut PgConnection,
    asked: &[(&Names, Timestamp)],
) -> Result<Vec<PersonId>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let identities: BTreeSet<Identity> = asked.iter().flat_map(|(names, _)| identities_of(names)).collect();
    let mut known = read_identities(connection, &identities).await?;
    let candidates = choose_candidates(asked, &known);
    if !candidates.is_empty() {
        // BTreeMap: sorted, and each identity once.
        let kinds: Vec<String> = candidates.keys().map(|(kind, _)| (*kind).to_owned()).collect();
        let values: Vec<String> = candidates.keys().map(|(_, value)| value.clone()).collect();
        let people: Vec<Uuid> = candidates.values().map(|(person, _)| *person).collect();
        let times: Vec<_> = candidates.values().map(|(_, at)| at.to_sqlx()).collect();
        sqlx::query!(
            "INSERT INTO gc_channel.identities (kind, value, person_id, assigned_at)
             SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[]) ON CONFLICT DO NOTHING",
            &kinds,
            &values,
            &people,
            &times as &[crate::store::Timestamptz]
        )
        .execute(&mut *connection)
        .await?;
        known = read_identities(connection, &identities).await?;
    }
    let mut people = Vec::with_capacity(asked.len());
    let mut profiles: BTreeMap<Uuid, (Option<Profile>, Profile)> = BTreeMap::new();
    let mut moves: BTreeMap<String, Move> = BTreeMap::new();
    let mut disputes: BTreeSet<(Uuid, Uuid)> = BTreeSet::new();
    for (names, at) in asked {
        let by_bsuid = names.bsuid.clone().and_then(|bsuid| known.get(&("bsuid", bsuid))).cloned();
        let by_phone = names.phone.clone().and_then(|phone| known.get(&("phone", phone))).cloned();
        let disputed = by_phone
            .clone()
            .filter(|phone| by_bsuid.as_ref().is_some_and(|bsuid| bsuid.person != phone.person));
        let Some(chosen) = by_bsuid.or(by_phone) else {
            return Err(StoreError::Corrupt("an identity vanished between insert and read".into()));
        };
        let mut holds_phone = true;
        // Two names for two people: filed under the BSUID. The number goes with the later word of Meta's.
        if let (Some(other), Some(phone)) = (disputed, &names.phone) {
            disputes.insert((chosen.person, other.person));
            holds_phone = *at > other.assigned_at;
            if holds_phone {
                let assigned = Known { assigned_at: *at, ..chosen.clone() };
                known.insert(("phone", phone.clone()), assigned);
                let first = moves.get(phone).map_or(other.person, |earlier| earlier.from);
                moves.insert(phone.clone(), Move { from: first, to: chosen.person, at: *at });
                profiles.entry(other.person).or_insert_with(|| stored_and_wanted(&other)).1.phone = None;
            }
        }
        let (_, wanted) = profiles.entry(chosen.person).or_insert_with(|| stored_and_wanted(&chosen));
        if holds_phone {
            wanted.phone = names.phone.clone().or(wanted.phone.take());
        }
        wanted.bsuid = names.bsuid.clone().or(wanted.bsuid.take());
        wanted.parent_bsuid = names.parent_bsuid.clone().or(wanted.parent_bsuid.take());
        wanted.display_name = names.display_name.clone().or(wanted.display_name.take());
        wanted.username = names.username.clone().or(wanted.username.take());
        people.push(PersonId(chosen.person));
    }
    let changed: Vec<(Uuid, Profile)> = profiles
        .into_iter()
        .filter(|(_, (stored, wanted))| stored.as_ref() != Some(wanted))
        .map(|(person, (_, wanted))| (person, wanted))
        .collect();
    write_profiles(connection, &changed).await?;
    for (phone, moved) in &moves {
        move_number(connection, phone, moved).await?;
    }
    for (filed_under, also_named) in disputes {
        let reason = "the same phone number with another id";
        records::suggest(connection, PersonId(filed_under), PersonId(also_named), reason).await?;
    }
    Ok(people)
}

fn stored_and_wanted(known: &Known) -> (Option<Profile>, Profile) {
    (known.profile.clone(), known.profile.clone().unwrap_or_default())
}

/// For identities that nobody has yet: the person they would belong to, and since when. A person known by phone alone
/// who now comes with a BSUID stays the same person; a phone that already belongs to another BSUID does not (numbers
/// are resold).
fn choose_candidates(
    asked: &[(&Names, Timestamp)],
    known: &HashMap<Identity, Known>,
) -> BTreeMap<Identity, (Uuid, Timestamp)> {
    let mut candidates: BTreeMap<Identity, (Uuid, Timestamp)> = BTreeMap::new();
    let mut has_bsuid: HashSet<Uuid> = known
        .iter()
        .filter(|((kind, _), entry)| {
            *kind == "bsuid" || entry.profile.as_ref().is_some_and(|profile| profile.bsuid.is_some())
        })
        .map(|(_, entry)| entry.person)
        .collect();
    for (names, at) in asked {
        let person_of = |candidates: &BTreeMap<Identity, (Uuid, Timestamp)>, identity: &Identity| {
            let candidate = || candidates.get(identity).map(|(person, _)| *person);
            known.get(identity).map(|entry| entry.person).or_else(candidate)
        };
        let phone = names.phone.clone().map(|phone| ("phone", phone));
        let bsuid = names.bsuid.clone().map(|bsuid| ("bsuid", bsuid));
        let by_phone = phone.as_ref().and_then(|phone| person_of(&candidates, phone));
        let by_bsuid = bsuid.as_ref().and_then(|bsuid| person_of(&candidates, bsuid));
        let person = match (&bsuid, by_bsuid, by_phone) {
            (Some(_), Some(person), _) => person,
            (Some(_), None, Some(person)) if !has_bsuid.contains(&person) => person,
            (None, _, Some(person)) => person,
            _ => Uuid::now_v7(),
        };
        if let Some(bsuid) = bsuid.filter(|_| by_bsuid.is_none()) {
            has_bsuid.insert(person);
            candidates.insert(bsuid, (person, *at));
        }
        if let Some(phone) = phone.filter(|_| by_phone.is_none()) {
            candidates.insert(phone, (person, *at));
        }
    }
    candidates
}

async fn read_identities(
    connection: &mut PgConnection,
    identities: &BTreeSet<Identity>,
) -> Result<HashMap<Identity, Known>, StoreError> {
    let kinds: Vec<String> = identities.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    let values: Vec<String> = identities.iter().map(|(_, value)| value.clone()).collect();
    let rows = sqlx::query!(
        r#"SELECT i.kind, i.value, i.person_id, i.assigned_at, p.person_id AS "profile?", p.phone, p.bsuid,
                  p.parent_bsuid, p.display_name, p.username, p.created_at AS "created_at?"
           FROM unnest($1::text[], $2::text[]) AS asked (kind, value)
           JOIN gc_channel.identities i ON i.kind = asked.kind AND i.value = asked.value
           LEFT JOIN gc_channel.user_profiles p ON p.person_id = i.person_id"#,
        &kinds,
        &values
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let kind = if row.kind == "bsuid" { "bsuid" } else { "phone" };
            let profile = row.profile.map(|_| Profile {
                phone: row.phone,
                bsuid: row.bsuid,
                parent_bsuid: row.parent_bsuid,
                display_name: row.display_name,
                username: row.username,
            });
            let known = Known {
                person: row.person_id,
                assigned_at: row.assigned_at.into(),
                profile,
                met_at: row.created_at.map(Timestamp::from),
            };
            ((kind, row.value), known)
        })
        .collect())
}

/// Each person once and sorted by id, so that two writers lock in the same order.
async fn write_profiles(
    connection: &mut PgConnection,
    profiles: &[(Uuid, Profile)],
) -> Result<(), StoreError> {
    if profiles.is_empty() {
        return Ok(());
    }
    let people: Vec<Uuid> = profiles.iter().map(|(person, _)| *person).collect();
    let column = |pick: fn(&Profile) -> &Option<String>| -> Vec<Option<String>> {
        profiles.iter().map(|(_, profile)| pick(profile).clone()).collect()
    };
    sqlx::query!(
        "INSERT INTO gc_channel.user_profiles AS p (person_id, phone, bsuid, parent_bsuid, display_name, username)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
         ON CONFLICT (person_id) DO UPDATE SET
             phone = coalesce(excluded.phone, p.phone), bsuid = coalesce(excluded.bsuid, p.bsuid),
             parent_bsuid = coalesce(excluded.parent_bsuid, p.parent_bsuid),
             display_name = coalesce(excluded.display_name, p.display_name),
             username = coalesce(excluded.username, p.username), updated_at = now()",
        &people,
        &column(|profile| &profile.phone) as &[Option<String>],
        &column(|profile| &profile.bsuid) as &[Option<String>],
        &column(|profile| &profile.parent_bsuid) as &[Option<String>],
        &column(|profile| &profile.display_name) as &[Option<String>],
        &column(|profile| &profile.username) as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A number that passes to another person.
struct Move {
    from: Uuid,
    to: Uuid,
    at: Timestamp,
}

/// From now on the number names the other; nothing more is sent to it for the one before.
async fn move_number(connection: &mut PgConnection, phone: &str, moved: &Move) -> Result<(), StoreError> {
    assign(connection, "phone", phone, moved.to, moved.at).await?;
    forget_number(connection, moved.from, phone).await?;
    let (from, to) = (PersonId(moved.from), PersonId(moved.to));
    records::log(connection, from, Some(to), "number_moved", "meta", None, None).await
}

async fn forget_number(connection: &mut PgConnection, person: Uuid, phone: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.user_profiles SET phone = NULL, updated_at = now() WHERE person_id = $1 AND phone = $2",
        person,
        phone
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn assign(
    connection: &mut PgConnection,
    kind: &str,
    value: &str,
    person: Uuid,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_channel.identities (kind, value, person_id, assigned_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, value) DO UPDATE SET person_id = $3, assigned_at = $4",
        kind,
        value,
        person,
        at.to_sqlx() as crate::store::Timestamptz
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Applies what a system message tells, once, and gives the person that the message belongs to.
async fn apply_change(
    connection: &mut PgConnection,
    message: &IncomingMessage,
) -> Result<Option<PersonId>, StoreError> {
    if records::is_applied(connection, &message.wamid).await? {
        return Ok(None);
    }
    let person = match &message.identity {
        Some(IdentityChange::Renamed { before, after }) => rename(connection, message, before, after).await?,
        Some(IdentityChange::Replaced) => replace(connection, message).await?,
        None => return Err(StoreError::Corrupt("a change of names without a change".into())),
    };
    Ok(Some(person))
}

/// The same person under other names: they keep everything.
async fn rename(
    connection: &mut PgConnection,
    message: &IncomingMessage,
    before: &Names,
    after: &Names,
) -> Result<PersonId, StoreError> {
    let at = message.sent_at;
    let identities: BTreeSet<Identity> = identities_of(before).chain(identities_of(after)).collect();
    let known = read_identities(connection, &identities).await?;
    let find = |kind: &'static str, value: &Option<String>| {
        value.clone().and_then(|value| known.get(&(kind, value))).cloned()
    };
    let subject = find("bsuid", &before.bsuid).or_else(|| find("phone", &before.phone));
    let Some(subject) = subject else {
        // Nobody here knew the old names.
        let person = resolve(connection, &[(after, at)]).await?.pop().unwrap_or_else(PersonId::new);
        records::log(connection, person, None, "renamed", "meta", None, Some(&message.wamid)).await?;
        return Ok(person);
    };
    let person = PersonId(subject.person);
    records::log(connection, person, None, "renamed", "meta", None, Some(&message.wamid)).await?;
    if let Some(bsuid) = &after.bsuid {
        let other = find("bsuid", &after.bsuid).filter(|other| other.person != subject.person);
        assign(connection, "bsuid", bsuid, subject.person, at).await?;
        if let Some(other) = other {
            merges::queue(connection, person, PersonId(other.person), "meta", "user_changed_user_id").await?;
        }
    }
    if let Some(phone) = &after.phone {
        let other = find("phone", &after.phone).filter(|other| other.person != subject.person);
        assign(connection, "phone", phone, subject.person, at).await?;
        if let Some(other) = other {
            take_number_over(connection, message, after, person, phone, &other).await?;
        }
    }
    // A new BSUID without a number means that the number has changed and is not told.
    let left: Vec<String> = sqlx::query_scalar!(
        "DELETE FROM gc_channel.identities WHERE person_id = $1 AND kind = 'phone' AND value IS DISTINCT FROM $2
         RETURNING value",
        subject.person,
        after.phone
    )
    .fetch_all(&mut *connection)
    .await?;
    for phone in left {
        forget_number(connection, subject.person, &phone).await?;
    }
    let wanted = Profile {
        phone: after.phone.clone(),
        bsuid: after.bsuid.clone(),
        parent_bsuid: after.parent_bsuid.clone(),
        ..Profile::default()
    };
    write_profiles(connection, &[(subject.person, wanted)]).await?;
    Ok(person)
}

/// The number that the person has now was somebody's: their own, met by it just now, or an earlier owner's.
async fn take_number_over(
    connection: &mut PgConnection,
    message: &IncomingMessage,
    after: &Names,
    person: PersonId,
    phone: &str,
    other: &Known,
) -> Result<(), StoreError> {
    let other_id = PersonId(other.person);
    let bsuid = other.profile.as_ref().and_then(|profile| profile.bsuid.clone());
    let met_by_the_change = other.met_at.is_some_and(|met| met + CHANGE_SLACK >= message.sent_at);
    let same = match &bsuid {
        Some(bsuid) => after.bsuid.as_ref() == Some(bsuid),
        None => met_by_the_change,
    };
    if same {
        merges::queue(connection, person, other_id, "meta", "user_changed_number").await?;
        return Ok(());
    }
    forget_number(connection, other.person, phone).await?;
    records::log(connection, other_id, Some(person), "number_moved", "meta", None, None).await?;
    if bsuid.is_none() {
        let reason = "the number was known before it became this person's";
        records::suggest(connection, person, other_id, reason).await?;
    }
    Ok(())
}

/// Somebody else answers at this number: a new person, without anything of the one before.
async fn replace(connection: &mut PgConnection, message: &IncomingMessage) -> Result<PersonId, StoreError> {
    let identities: BTreeSet<Identity> = identities_of(&message.sender).collect();
    let known = read_identities(connection, &identities).await?;
    let before: BTreeSet<Uuid> = known.values().map(|known| known.person).collect();
    for (kind, value) in &identities {
        sqlx::query!("DELETE FROM gc_channel.identities WHERE kind = $1 AND value = $2", *kind, value)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query!(
        "UPDATE gc_channel.user_profiles
         SET phone = nullif(phone, $2), bsuid = nullif(bsuid, $3), updated_at = now() WHERE person_id = ANY($1)",
        &before.iter().copied().collect::<Vec<_>>(),
        message.sender.phone,
        message.sender.bsuid
    )
    .execute(&mut *connection)
    .await?;
    let asked = [(&message.sender, message.sent_at)];
    let person = resolve(connection, &asked).await?.pop().unwrap_or_else(PersonId::new);
    let other = before.first().copied().map(PersonId);
    records::log(connection, person, other, "replaced", "meta", None, Some(&message.wamid)).await?;
    for earlier in before {
        let reason = "WhatsApp told that somebody else may answer at this number";
        records::suggest(connection, person, PersonId(earlier), reason).await?;
    }
    Ok(person)
}

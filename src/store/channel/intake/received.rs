//! What came from citizens is told to others: one event a filed message, one statement a transaction.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::MessageId;
use crate::store::StoreError;

/// Writes `whatsapp.message.received` for messages that this transaction has filed, in the order in which they arrived.
/// The last statement on messages: it stands behind the conversations' locks, so that events of a conversation are
/// in the order of its changes, and it tells where a merge has moved them.
pub(super) async fn tell(
    connection: &mut PgConnection,
    messages: impl Iterator<Item = MessageId>,
) -> Result<(), StoreError> {
    let (events, messages): (Vec<Uuid>, Vec<Uuid>) =
        messages.map(|message| (Uuid::now_v7(), message.0)).unzip();
    if messages.is_empty() {
        return Ok(());
    }
    // The body is made from the rows themselves, so that no text goes to the database twice.
    sqlx::query!(
        "INSERT INTO gc_channel.event_outbox (event_id, routing_key, body)
         SELECT new.event_id, 'whatsapp.message.received',
                jsonb_build_object('person_id', c.person_id, 'wa_user_id', coalesce(p.phone, p.bsuid, ''),
                    'message', m.text, 'message_id', m.message_id, 'conversation_id', m.conversation_id,
                    'type', m.kind, 'received_at', m.received_at)
                || CASE WHEN m.kind IN ('image', 'video', 'audio', 'document', 'sticker') THEN
                       coalesce((SELECT jsonb_build_object('media', jsonb_strip_nulls(jsonb_build_object(
                                     'media_id', f.media_id, 'mime_type', f.declared_mime_type, 'filename', f.filename)))
                                 FROM gc_channel.media f WHERE f.message_id = m.message_id), '{}')
                   ELSE '{}' END
         FROM unnest($1::uuid[], $2::uuid[]) AS new (event_id, message_id)
         JOIN gc_channel.messages m USING (message_id)
         JOIN gc_channel.conversations c USING (conversation_id)
         JOIN gc_channel.user_profiles p ON p.person_id = c.person_id
         ORDER BY m.seq",
        &events,
        &messages
    )
    .execute(connection)
    .await?;
    Ok(())
}

-- The notification service: texts by event and language, what was to be told to whom, and how far it got.
CREATE SCHEMA gc_notification;

-- A text is never changed: a new version is added and made the active one. `{{ name }}` stands for a variable.
CREATE TABLE gc_notification.notification_templates (
    template_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{1,63}$'),
    language    text NOT NULL CHECK (language IN ('id', 'en')),
    channel     text NOT NULL CHECK (channel IN ('whatsapp')),
    version     integer NOT NULL CHECK (version > 0),
    body        text NOT NULL,
    variables   text[] NOT NULL,
    active      boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, language, channel, version)
);
CREATE UNIQUE INDEX notification_templates_active
    ON gc_notification.notification_templates (name, language, channel) WHERE active;

INSERT INTO gc_notification.notification_templates (name, language, channel, version, variables, body) VALUES
('complaint_received', 'id', 'whatsapp', 1, '{lap_id,kategori,alamat}',
 'Laporan Bapak/Ibu sudah kami terima dengan nomor {{ lap_id }}: {{ kategori }} di {{ alamat }}. Petugas akan memeriksanya. Ketik nomor itu untuk melihat statusnya, atau PETUGAS untuk berbicara dengan petugas.'),
('complaint_received', 'en', 'whatsapp', 1, '{lap_id,kategori,alamat}',
 'We have received your report, number {{ lap_id }}: {{ kategori }} at {{ alamat }}. An officer will look into it. Send that number to see its status, or PETUGAS to talk to an officer.'),
('complaint_verified', 'id', 'whatsapp', 1, '{lap_id,kategori,alamat}',
 'Laporan {{ lap_id }} ({{ kategori }}, {{ alamat }}) sudah diperiksa petugas dan menunggu penanganan.'),
('complaint_verified', 'en', 'whatsapp', 1, '{lap_id,kategori,alamat}',
 'Report {{ lap_id }} ({{ kategori }}, {{ alamat }}) has been checked by an officer and is waiting to be worked on.'),
('complaint_in_process', 'id', 'whatsapp', 1, '{lap_id,kategori,alamat,note}',
 'Laporan {{ lap_id }} ({{ kategori }}, {{ alamat }}) sedang ditangani. Catatan petugas: {{ note }}'),
('complaint_in_process', 'en', 'whatsapp', 1, '{lap_id,kategori,alamat,note}',
 'Report {{ lap_id }} ({{ kategori }}, {{ alamat }}) is being worked on. Officer''s note: {{ note }}'),
('complaint_done', 'id', 'whatsapp', 1, '{lap_id,kategori,alamat,note}',
 'Laporan {{ lap_id }} ({{ kategori }}, {{ alamat }}) sudah selesai ditangani. Catatan petugas: {{ note }} Bila masalahnya masih ada, mohon beri tahu kami di sini.'),
('complaint_done', 'en', 'whatsapp', 1, '{lap_id,kategori,alamat,note}',
 'Report {{ lap_id }} ({{ kategori }}, {{ alamat }}) has been dealt with. Officer''s note: {{ note }} If the problem is still there, please tell us here.'),
('complaint_rejected', 'id', 'whatsapp', 1, '{lap_id,kategori,alamat,note}',
 'Laporan {{ lap_id }} ({{ kategori }}, {{ alamat }}) belum dapat kami tindak lanjuti. Alasannya: {{ note }} Ketik PETUGAS bila ingin membicarakannya dengan petugas.'),
('complaint_rejected', 'en', 'whatsapp', 1, '{lap_id,kategori,alamat,note}',
 'We cannot take up report {{ lap_id }} ({{ kategori }}, {{ alamat }}). The reason: {{ note }} Send PETUGAS to discuss it with an officer.');

CREATE TABLE gc_notification.notifications (
    notification_id  uuid PRIMARY KEY,
    idempotency_key  text UNIQUE,
    request_hash     bytea NOT NULL,
    -- The event that asked for it, if one did; an event tells one person one thing once.
    event_id         uuid,
    person_id        uuid,
    wa_user_id       text,
    complaint_id     text,
    template         text NOT NULL,
    template_version integer NOT NULL,
    language         text NOT NULL,
    channel          text NOT NULL,
    body             text NOT NULL,
    status           text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'sent', 'delivered', 'read', 'failed')),
    -- Why it failed.
    error            text,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    UNIQUE (event_id, template)
);
CREATE INDEX notifications_newest ON gc_notification.notifications (created_at DESC, notification_id DESC);
CREATE INDEX notifications_by_status ON gc_notification.notifications (status, created_at DESC, notification_id DESC);
CREATE INDEX notifications_by_person ON gc_notification.notifications (person_id, created_at DESC, notification_id DESC)
    WHERE person_id IS NOT NULL;

CREATE TABLE gc_notification.event_outbox (
    event_id     uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    routing_key  text NOT NULL,
    subject      text NOT NULL,
    body         jsonb NOT NULL,
    occurred_at  timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX event_outbox_waiting ON gc_notification.event_outbox (seq) WHERE published_at IS NULL;
CREATE INDEX event_outbox_by_subject ON gc_notification.event_outbox (subject);

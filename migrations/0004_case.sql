-- The case service: complaints, every change made to them, categories, the daily number, and the events to tell.
CREATE SCHEMA gc_case;

-- What complaints are about. `keywords` are words citizens use, for the recogniser; `examples` are shown to people.
CREATE TABLE gc_case.categories (
    code        text PRIMARY KEY CHECK (code ~ '^[a-z][a-z0-9_]{1,47}$'),
    name        text NOT NULL,
    description text NOT NULL,
    examples    text[] NOT NULL DEFAULT '{}',
    keywords    text[] NOT NULL DEFAULT '{}',
    active      boolean NOT NULL DEFAULT true,
    sort        integer NOT NULL DEFAULT 0
);

INSERT INTO gc_case.categories (sort, code, name, description, examples, keywords) VALUES
(10, 'jalan_rusak', 'Jalan rusak', 'Jalan, gang atau jembatan berlubang, retak, amblas atau longsor.',
    '{"Jalan di depan sekolah banyak lubang","Gang kami amblas setelah hujan"}',
    '{jalan,berlubang,lubang,aspal,amblas,gang,jembatan,paving,retak,longsor}'),
(20, 'lampu_jalan', 'Lampu jalan', 'Lampu penerangan jalan umum mati, redup, rusak atau belum ada.',
    '{"Lampu jalan di RT 3 mati sudah seminggu"}',
    '{lampu,pju,penerangan,gelap,tiang lampu,padam}'),
(30, 'sampah', 'Sampah dan kebersihan', 'Sampah menumpuk, tidak diangkut, dibuang sembarangan atau dibakar.',
    '{"Sampah di TPS belum diangkut tiga hari","Ada yang membakar sampah tiap sore"}',
    '{sampah,tps,bau,kotor,diangkut,menumpuk,bakar sampah,limbah}'),
(40, 'drainase_banjir', 'Drainase dan banjir', 'Selokan tersumbat, genangan, banjir atau luapan sungai.',
    '{"Selokan mampet, air masuk ke rumah","Jalan tergenang setiap hujan"}',
    '{banjir,genangan,tergenang,selokan,got,gorong,drainase,mampet,tersumbat,meluap}'),
(50, 'air_bersih', 'Air bersih', 'Air PDAM atau sumur umum mati, keruh, bocor atau kecil.',
    '{"Air PDAM mati sejak kemarin","Pipa bocor di pinggir jalan"}',
    '{air,pdam,ledeng,pipa,bocor,keruh,sumur,air mati}'),
(60, 'pohon_tumbang', 'Pohon', 'Pohon tumbang, miring, rapuh atau dahannya membahayakan.',
    '{"Pohon tumbang menutup jalan","Dahan besar menyentuh kabel listrik"}',
    '{pohon,tumbang,dahan,ranting,roboh,pangkas}'),
(70, 'keamanan_ketertiban', 'Keamanan dan ketertiban', 'Pencurian, tawuran, balap liar, pungutan liar, parkir atau pedagang yang mengganggu.',
    '{"Sering ada balap liar malam minggu","Parkir liar menutup gang"}',
    '{maling,pencurian,tawuran,balap liar,pungli,parkir liar,preman,mabuk,ronda,aman}'),
(80, 'kebisingan', 'Kebisingan', 'Suara keras yang mengganggu dari usaha, hiburan, bangunan atau kendaraan.',
    '{"Bengkel bekerja sampai tengah malam"}',
    '{bising,berisik,ribut,suara keras,sound,knalpot,musik}'),
(90, 'pelayanan_administrasi', 'Pelayanan administrasi', 'Surat pengantar, KTP, KK, akta dan layanan loket yang lambat, keliru atau tidak ramah.',
    '{"Surat pengantar saya belum selesai","Petugas loket tidak ada"}',
    '{ktp,kk,surat,akta,loket,antri,antrean,pelayanan,petugas,pengantar,domisili}'),
(100, 'fasilitas_umum', 'Fasilitas umum', 'Taman, pos ronda, posyandu, toilet umum atau sarana bermain yang rusak.',
    '{"Ayunan di taman patah","Atap pos ronda bocor"}',
    '{taman,posyandu,toilet,pos ronda,balai,lapangan,bangku,fasilitas,halte}'),
(110, 'bantuan_sosial', 'Bantuan sosial', 'Pendataan, penyaluran atau ketidaktepatan bantuan sosial.',
    '{"Nama saya hilang dari daftar penerima bantuan"}',
    '{bansos,bantuan,pkh,blt,bpnt,sembako,dtks,kis}'),
(900, 'lainnya', 'Lainnya', 'Hal lain yang menjadi urusan kantor.', '{}', '{}');

-- The last number given on a local day of the office. Bumped in the transaction that stores the complaint, so a
-- refused complaint gives its number back.
CREATE TABLE gc_case.daily_numbers (
    day  date PRIMARY KEY,
    last integer NOT NULL CHECK (last > 0)
);

-- `LAP-YYYYMMDD-NNN`; the same shape as `ids::LapId`.
CREATE FUNCTION gc_case.lap_id(day date, number integer) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    AS $$ SELECT 'LAP-' || to_char(day, 'YYYYMMDD') || '-' || lpad(number::text, greatest(3, length(number::text)), '0') $$;

CREATE TABLE gc_case.complaints (
    complaint_id           text PRIMARY KEY CHECK (complaint_id ~ '^LAP-[0-9]{8}-[0-9]{3,6}$'),
    idempotency_key        text UNIQUE,
    request_hash           bytea NOT NULL,
    -- No person: entered for somebody unknown to us, or erased.
    person_id              uuid,
    wa_user_id             text,
    kategori               text NOT NULL REFERENCES gc_case.categories (code),
    alamat                 text NOT NULL,
    rt_rw                  text,
    deskripsi              text NOT NULL,
    latitude               double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude              double precision CHECK (longitude BETWEEN -180 AND 180),
    status                 text NOT NULL DEFAULT 'baru' CHECK (status IN
        ('baru', 'terverifikasi', 'diproses', 'menunggu_warga', 'selesai', 'ditolak', 'dibatalkan', 'diteruskan')),
    urgency                text NOT NULL DEFAULT 'normal' CHECK (urgency IN ('normal', 'emergency')),
    channel                text NOT NULL DEFAULT 'whatsapp' CHECK (channel IN ('whatsapp', 'phone', 'desk', 'other')),
    origin_conversation_id uuid,
    version                bigint NOT NULL DEFAULT 1,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    search                 tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('indonesian'::regconfig, deskripsi), 'A')
        || setweight(to_tsvector('indonesian'::regconfig, alamat || ' ' || coalesce(rt_rw, '')), 'B')) STORED,
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);

CREATE INDEX complaints_newest ON gc_case.complaints (created_at DESC, complaint_id DESC);
CREATE INDEX complaints_by_status ON gc_case.complaints (status, created_at DESC, complaint_id DESC);
CREATE INDEX complaints_by_kategori ON gc_case.complaints (kategori, created_at DESC, complaint_id DESC);
CREATE INDEX complaints_by_person ON gc_case.complaints (person_id, created_at DESC, complaint_id DESC)
    WHERE person_id IS NOT NULL;
CREATE INDEX complaints_search ON gc_case.complaints USING gin (search);

-- One row a change, the first one included; `version` is the complaint's after it.
CREATE TABLE gc_case.complaint_updates (
    update_id    uuid PRIMARY KEY,
    complaint_id text NOT NULL REFERENCES gc_case.complaints (complaint_id),
    version      bigint NOT NULL,
    -- Makes a change that is asked for again (a repeated call) the same change.
    request_key  text UNIQUE,
    actor_kind   text NOT NULL CHECK (actor_kind IN ('citizen', 'officer', 'service')),
    actor_id     text,
    from_status  text,
    to_status    text NOT NULL,
    -- Names of the other fields that changed, with what they were and became.
    changes      jsonb NOT NULL DEFAULT '{}',
    note         text,
    visibility   text NOT NULL CHECK (visibility IN ('public', 'internal')),
    created_at   timestamptz NOT NULL,
    UNIQUE (complaint_id, version)
);

-- Append-only. The one exception is the erasure of a person, which says so for the length of its transaction and
-- may then only empty what was written, never remove that something happened.
CREATE FUNCTION gc_case.refuse_rewriting_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF current_setting('gc_case.erasing', true) = 'on'
            AND (NEW.update_id, NEW.complaint_id, NEW.version, NEW.actor_kind, NEW.to_status, NEW.visibility, NEW.created_at)
                = (OLD.update_id, OLD.complaint_id, OLD.version, OLD.actor_kind, OLD.to_status, OLD.visibility, OLD.created_at)
            AND NEW.from_status IS NOT DISTINCT FROM OLD.from_status
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'gc_case.complaint_updates is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER complaint_updates_are_append_only BEFORE UPDATE OR DELETE ON gc_case.complaint_updates
    FOR EACH ROW EXECUTE FUNCTION gc_case.refuse_rewriting_history();
CREATE TRIGGER complaint_updates_are_not_truncated BEFORE TRUNCATE ON gc_case.complaint_updates
    FOR EACH STATEMENT EXECUTE FUNCTION gc_case.refuse_rewriting_history();

-- Photos and other files of a complaint; `storage_key` is where the media store keeps the bytes.
CREATE TABLE gc_case.complaint_media (
    media_id     uuid PRIMARY KEY,
    complaint_id text NOT NULL REFERENCES gc_case.complaints (complaint_id),
    message_id   uuid,
    storage_key  text NOT NULL,
    content_type text NOT NULL,
    size_bytes   bigint NOT NULL CHECK (size_bytes >= 0),
    created_at   timestamptz NOT NULL
);
CREATE INDEX complaint_media_by_complaint ON gc_case.complaint_media (complaint_id, created_at);

-- Events that left with their change; sent in the order of `seq`, at least once, under `event_id`.
CREATE TABLE gc_case.event_outbox (
    event_id     uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    routing_key  text NOT NULL,
    -- What the event is about (a complaint's number), so that an erasure finds it.
    subject      text NOT NULL,
    body         jsonb NOT NULL,
    occurred_at  timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX event_outbox_waiting ON gc_case.event_outbox (seq) WHERE published_at IS NULL;
CREATE INDEX event_outbox_by_subject ON gc_case.event_outbox (subject);

-- The notification service: it learns of changes by events, and knows those that it has had.

CREATE TABLE gc_notification.seen_events (
    message_id uuid PRIMARY KEY,
    seen_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX seen_events_by_time ON gc_notification.seen_events (seen_at);

-- The channel service's message that it was sent as; what becomes of that becomes of the notification.
ALTER TABLE gc_notification.notifications ADD COLUMN message_id uuid;
CREATE UNIQUE INDEX notifications_by_message ON gc_notification.notifications (message_id) WHERE message_id IS NOT NULL;

-- Events say which complaint and what it is about, not where it is: addresses do not travel in events.
UPDATE gc_notification.notification_templates SET active = false WHERE version = 1;
INSERT INTO gc_notification.notification_templates (name, language, channel, version, variables, body) VALUES
('complaint_received', 'id', 'whatsapp', 2, '{lap_id,kategori}',
 'Laporan Bapak/Ibu tentang {{ kategori }} sudah kami terima dengan nomor {{ lap_id }}. Petugas akan memeriksanya. Ketik nomor itu untuk melihat statusnya, atau PETUGAS untuk berbicara dengan petugas.'),
('complaint_received', 'en', 'whatsapp', 2, '{lap_id,kategori}',
 'We have received your report about {{ kategori }}, number {{ lap_id }}. An officer will look into it. Send that number to see its status, or PETUGAS to talk to an officer.'),
('complaint_verified', 'id', 'whatsapp', 2, '{lap_id,kategori}',
 'Laporan {{ lap_id }} ({{ kategori }}) sudah diperiksa petugas dan menunggu penanganan.'),
('complaint_verified', 'en', 'whatsapp', 2, '{lap_id,kategori}',
 'Report {{ lap_id }} ({{ kategori }}) has been checked by an officer and is waiting to be worked on.'),
('complaint_in_process', 'id', 'whatsapp', 2, '{lap_id,kategori,note}',
 'Laporan {{ lap_id }} ({{ kategori }}) sedang ditangani. Catatan petugas: {{ note }}'),
('complaint_in_process', 'en', 'whatsapp', 2, '{lap_id,kategori,note}',
 'Report {{ lap_id }} ({{ kategori }}) is being worked on. Officer''s note: {{ note }}'),
('complaint_done', 'id', 'whatsapp', 2, '{lap_id,kategori,note}',
 'Laporan {{ lap_id }} ({{ kategori }}) sudah selesai ditangani. Catatan petugas: {{ note }} Bila masalahnya masih ada, mohon beri tahu kami di sini.'),
('complaint_done', 'en', 'whatsapp', 2, '{lap_id,kategori,note}',
 'Report {{ lap_id }} ({{ kategori }}) has been dealt with. Officer''s note: {{ note }} If the problem is still there, please tell us here.'),
('complaint_rejected', 'id', 'whatsapp', 2, '{lap_id,kategori,note}',
 'Laporan {{ lap_id }} ({{ kategori }}) belum dapat kami tindak lanjuti. Alasannya: {{ note }} Ketik PETUGAS bila ingin membicarakannya dengan petugas.'),
('complaint_rejected', 'en', 'whatsapp', 2, '{lap_id,kategori,note}',
 'We cannot take up report {{ lap_id }} ({{ kategori }}). The reason: {{ note }} Send PETUGAS to discuss it with an officer.');

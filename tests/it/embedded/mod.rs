//! The embedded PostgreSQL, with the real programs: data survives what may happen to either process, and
//! two processes never share a database.

pub mod support;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use govconnect::store::embedded::{Durability, EmbeddedError, STATE_ROOT, find_binaries};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use support::{
    Owner, PATIENCE, eventually, open_folder, postgres_command, read_notes, server_processes, start,
    start_with, watchers, write_note,
};

#[tokio::test]
async fn a_second_start_finds_the_data_of_the_first() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let postgres = start(folder.path()).await?;
    write_note(&postgres.url(), "kept").await?;
    postgres.stop().await?;
    ensure!(server_processes(folder.path())?.is_empty(), "a stopped server leaves no process");

    let postgres = start(folder.path()).await?;
    assert_eq!(read_notes(&postgres.url()).await?, ["kept"]);
    postgres.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_server_is_private_and_as_asked_for() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let postgres = start(folder.path()).await?;
    let mut connection = PgConnection::connect_with(&postgres.connect_options()).await?;
    for (setting, expected) in
        [("listen_addresses", ""), ("server_encoding", "UTF8"), ("fsync", "off"), ("max_connections", "20")]
    {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut connection).await?;
        assert_eq!(value, expected, "{setting}");
    }
    sqlx::query("CREATE EXTENSION vector").execute(&mut connection).await?;
    sqlx::query("CREATE EXTENSION pg_trgm").execute(&mut connection).await?;
    connection.close().await?;

    let home = folder.path().join("postgres");
    for private in [home.join("cluster"), home.join("socket")] {
        let metadata = private.metadata()?;
        assert_eq!(metadata.mode() & 0o777, 0o700, "{}", private.display());
        assert_ne!(metadata.uid(), 0, "{} must not belong to root", private.display());
    }
    postgres.stop().await?;
    Ok(())
}

#[tokio::test]
async fn an_interrupted_creation_is_repaired() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let unfinished = folder.path().join("postgres/cluster.unfinished-1");
    std::fs::create_dir_all(unfinished.join("base"))?;
    std::fs::write(unfinished.join("PG_VERSION"), "18\n")?;
    for path in [folder.path(), &folder.path().join("postgres")] {
        std::fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }

    let postgres = start(folder.path()).await?;
    write_note(&postgres.url(), "works").await?;
    ensure!(!unfinished.exists(), "the unfinished files are gone");
    postgres.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_the_first_is() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let owner = Owner::spawn(folder.path()).await?;
    match start(folder.path()).await {
        Err(EmbeddedError::InUse { pid, .. }) => assert_eq!(pid, owner.id().map(|id| id.to_string())),
        other => bail!("expected InUse, got {other:?}"),
    }
    write_note(&owner.url, "the first is not disturbed").await?;
    owner.terminate().await
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_its_data_found_again() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let mut postgres = start_with(folder.path(), Durability::Full).await?;
    write_note(&postgres.url(), "committed").await?;
    // Keeps one of the server's children busy, so that it outlives its parent for a while.
    let mut busy = PgConnection::connect_with(&postgres.connect_options()).await?;
    let sleeper = tokio::spawn(async move { sqlx::query("SELECT pg_sleep(3600)").execute(&mut busy).await });

    kill(Pid::from_raw(postgres.process_id().context("a running server")?.cast_signed()), Signal::SIGKILL)?;
    let status = tokio::time::timeout(PATIENCE, postgres.exited()).await??;
    ensure!(!status.success(), "killed, not finished: {status}");
    drop(postgres);

    let postgres = start_with(folder.path(), Durability::Full).await?;
    assert_eq!(read_notes(&postgres.url()).await?, ["committed"]);
    postgres.stop().await?;
    ensure!(sleeper.await?.is_err(), "the connection to the killed server broke");
    Ok(())
}

#[tokio::test]
async fn a_server_whose_owner_was_killed_stops_by_itself() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let owner = Owner::spawn(folder.path()).await?;
    write_note(&owner.url, "committed").await?;
    owner.kill().await?;
    eventually("the server to stop", || Ok(server_processes(folder.path())?.is_empty())).await?;

    let postgres = start(folder.path()).await?;
    assert_eq!(read_notes(&postgres.url()).await?, ["committed"]);
    postgres.stop().await?;
    Ok(())
}

#[tokio::test]
async fn an_orphaned_server_is_replaced() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let owner = Owner::spawn(folder.path()).await?;
    write_note(&owner.url, "committed").await?;
    for watcher in watchers(folder.path())? {
        kill(watcher, Signal::SIGKILL)?;
    }
    owner.kill().await?;
    ensure!(!server_processes(folder.path())?.is_empty(), "the server is an orphan now");

    let postgres = start(folder.path()).await?;
    assert_eq!(read_notes(&postgres.url()).await?, ["committed"]);
    postgres.stop().await?;
    Ok(())
}

#[tokio::test]
async fn everything_killed_at_once_is_survived() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let owner = Owner::spawn(folder.path()).await?;
    write_note(&owner.url, "committed").await?;
    let victims = [watchers(folder.path())?, server_processes(folder.path())?].concat();
    owner.kill().await?;
    for victim in victims {
        // A child of the server may be gone by itself already.
        let _gone = kill(victim, Signal::SIGKILL);
    }

    let postgres = start(folder.path()).await?;
    assert_eq!(read_notes(&postgres.url()).await?, ["committed"]);
    postgres.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_pid_file_that_names_another_program_does_not_stop_the_start() -> anyhow::Result<()> {
    let folder = open_folder()?;
    start(folder.path()).await?.stop().await?;
    // A program of the same user as the server, which PostgreSQL takes for a server.
    let cluster = folder.path().join("postgres/cluster");
    let owner = cluster.metadata()?.uid();
    let mut bystander = Command::new("sleep").arg("3600").uid(owner).kill_on_drop(true).spawn()?;
    let pid = bystander.id().context("a running bystander")?;
    std::fs::write(cluster.join("postmaster.pid"), format!("{pid}\n{}\n", cluster.display()))?;
    std::os::unix::fs::chown(cluster.join("postmaster.pid"), Some(owner), None)?;

    start(folder.path()).await?.stop().await?;
    ensure!(bystander.try_wait()?.is_none(), "the bystander was left alone");
    bystander.kill().await?;
    Ok(())
}

#[tokio::test]
async fn a_data_folder_too_deep_for_a_socket_works() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let deep = folder.path().join("a".repeat(60)).join("b".repeat(60));
    let postgres = start(&deep).await?;
    let options = postgres.connect_options();
    let socket = options.get_socket().context("a socket")?.clone();
    ensure!(!socket.starts_with(&deep) && socket.as_os_str().len() < 90, "{}", socket.display());
    assert_eq!(socket.metadata()?.mode() & 0o777, 0o700);
    write_note(&postgres.url(), "works").await?;
    postgres.stop().await?;
    ensure!(!socket.exists(), "the temporary folder is removed");
    Ok(())
}

#[tokio::test]
async fn root_may_use_a_data_folder_that_only_root_can_enter() -> anyhow::Result<()> {
    if !geteuid().is_root() {
        // Only root runs the server as somebody else.
        return Ok(());
    }
    let closed = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir()?;
    let postgres = start(closed.path()).await?;
    write_note(&postgres.url(), "kept").await?;
    let elsewhere = postgres.folder().to_owned();
    ensure!(elsewhere.starts_with(STATE_ROOT), "{}", elsewhere.display());
    postgres.stop().await?;

    let postgres = start(closed.path()).await?;
    assert_eq!(read_notes(&postgres.url()).await?, ["kept"]);
    postgres.stop().await?;
    std::fs::remove_dir_all(elsewhere)?;
    Ok(())
}

#[tokio::test]
async fn the_database_of_another_user_is_refused() -> anyhow::Result<()> {
    if !geteuid().is_root() {
        // Only root can give files away.
        return Ok(());
    }
    let folder = open_folder()?;
    start(folder.path()).await?.stop().await?;
    let nobody = User::from_name("nobody")?.context("the user nobody")?.uid.as_raw();
    std::os::unix::fs::chown(folder.path().join("postgres"), Some(nobody), None)?;
    match start(folder.path()).await {
        Err(EmbeddedError::Foreign { owner, .. }) => assert_eq!(owner, nobody),
        other => bail!("expected Foreign, got {other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn files_restored_by_root_are_given_to_the_server() -> anyhow::Result<()> {
    if !geteuid().is_root() {
        // Only root runs the server as somebody else.
        return Ok(());
    }
    let folder = open_folder()?;
    let postgres = start(folder.path()).await?;
    write_note(&postgres.url(), "restored").await?;
    postgres.stop().await?;
    let copied = Command::new("chown").args(["-R", "0:0"]).arg(folder.path()).status().await?;
    ensure!(copied.success(), "{copied}");

    let postgres = start(folder.path()).await?;
    assert_eq!(read_notes(&postgres.url()).await?, ["restored"]);
    postgres.stop().await?;
    Ok(())
}

#[tokio::test]
async fn an_ordinary_user_needs_no_root() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir)?;
    // The checkout may be closed to that user, so the program is copied out of it.
    let program = folder.path().join("govconnect");
    // By another process: a program that this one has open for writing, be it in a child of another test that
    // has not replaced itself yet, cannot be run.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_govconnect")).arg(&program).status().await?;
    ensure!(copied.success(), "{copied}");
    let mut command = Command::new(&program);
    command.current_dir("/").args(["postgres", "--durability", "none", "--data-dir"]).arg(&data_dir);
    let expected_user = if geteuid().is_root() {
        let nobody = User::from_name("nobody")?.context("the user nobody")?;
        std::os::unix::fs::chown(&data_dir, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw()))?;
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        nobody.uid
    } else {
        geteuid()
    };
    command.arg("--binaries").arg(find_binaries(None)?);
    command.args(["--", "sh", "-c", "test -n \"$DATABASE_URL\""]);
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(data_dir.join("postgres/cluster").metadata()?.uid(), expected_user.as_raw());
    Ok(())
}

#[tokio::test]
async fn the_command_gives_the_url_and_returns_the_exit_code() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let script = "test \"$DATABASE_URL\" = \"$TEST_DATABASE_URL\" && exit 7";
    let status =
        postgres_command(folder.path(), &["sh", "-c", script]).stderr(Stdio::null()).status().await?;
    assert_eq!(status.code(), Some(7));
    ensure!(server_processes(folder.path())?.is_empty(), "the server was stopped");
    Ok(())
}

#[tokio::test]
async fn the_command_passes_signals_on() -> anyhow::Result<()> {
    let folder = open_folder()?;
    let script = "trap 'exit 9' TERM; echo started; while :; do read -r line || :; done";
    let mut child = postgres_command(folder.path(), &["sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    assert_eq!(tokio::time::timeout(PATIENCE, output.next_line()).await??.as_deref(), Some("started"));
    kill(Pid::from_raw(child.id().context("a running command")?.cast_signed()), Signal::SIGTERM)?;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await??;
    assert_eq!(status.code(), Some(9));
    Ok(())
}

#[tokio::test]
async fn a_start_that_fails_shows_the_end_of_the_log() -> anyhow::Result<()> {
    let folder = open_folder()?;
    start(folder.path()).await?.stop().await?;
    let settings = folder.path().join("postgres/cluster/postgresql.conf");
    let broken = std::fs::read_to_string(&settings)? + "\nno_such_setting = 1\n";
    std::fs::write(&settings, broken)?;
    match start(folder.path()).await {
        Err(EmbeddedError::StoppedWhileStarting { tail, .. }) => {
            ensure!(tail.contains("no_such_setting"), "{tail}");
            Ok(())
        }
        other => bail!("expected StoppedWhileStarting, got {other:?}"),
    }
}

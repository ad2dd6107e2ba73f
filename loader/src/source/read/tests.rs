use std::fs;

use super::*;

fn names(sources: &Sources, root: &Path) -> Vec<String> {
    let root = format!("{}/", root.display());
    sources
        .files()
        .map(|(_, file)| file.name.replace(&root, ""))
        .collect()
}

#[test]
fn folders_are_read_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    fs::create_dir_all(root.join("b/c")).expect("folders");
    fs::create_dir_all(root.join(".git")).expect("folders");
    for name in [
        "z.yaml",
        "a.YML",
        "b/c/m.json",
        "README.md",
        ".hidden.yaml",
        ".git/x.yaml",
    ] {
        fs::write(root.join(name), "{}").expect("a file");
    }
    let (sources, documents, findings) = read(&[root.to_owned()]);
    assert_eq!(names(&sources, root), ["a.YML", "b/c/m.json", "z.yaml"]);
    assert_eq!(documents.len(), 3);
    assert!(findings.is_empty());
}

#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.yaml");
    fs::write(&file, "a: 1").expect("a file");
    let (sources, ..) = read(&[file.clone(), folder.path().to_owned(), file]);
    assert_eq!(sources.files().len(), 1);
}

#[test]
fn named_files_may_have_any_extension() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("resources.txt");
    fs::write(&file, "a: 1").expect("a file");
    assert_eq!(read(&[file]).1.len(), 1);
}

#[cfg(unix)]
#[test]
fn a_mounted_config_map_is_read_once() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    fs::create_dir(root.join("..2026_01_01")).expect("a folder");
    fs::write(root.join("..2026_01_01/edge.yaml"), "a: 1").expect("a file");
    symlink("..2026_01_01", root.join("..data")).expect("a link");
    symlink("..data/edge.yaml", root.join("edge.yaml")).expect("a link");
    symlink(".", root.join("loop")).expect("a link");
    symlink("nowhere", root.join("dangling.yaml")).expect("a link");
    let (sources, _, findings) = read(&[root.to_owned()]);
    assert_eq!(names(&sources, root), ["dangling.yaml", "edge.yaml"]);
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::UnreadableFile]);
}

#[test]
fn paths_that_cannot_be_read_are_named() {
    let (_, _, findings) = read(&[PathBuf::from("not/there.yaml")]);
    assert_eq!(findings[0].code, Code::PathNotRead);
    assert!(
        findings[0]
            .message
            .starts_with("not/there.yaml cannot be read: ")
    );
}

#[test]
fn what_is_no_text_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.yaml");
    fs::write(&file, b"a: 1\nb: \xff\n").expect("a file");
    let (sources, documents, findings) = read(&[file]);
    assert!(documents.is_empty());
    assert_eq!(findings[0].code, Code::UnreadableFile);
    assert_eq!(
        sources.line_column(findings[0].span.expect("a place")),
        (2, 4)
    );
}

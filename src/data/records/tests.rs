use super::settle::mean_and_deviation;
use super::*;
use crate::data::table::Column;
use crate::spec::InputSpec;

/// A model of no layers. What follows begins in line 12.
const HEAD: &str = "name = \"m\"\n[input]\nwidth = 8\nheight = 8\n[optimizer]\nop = \"adam\"\n\
                    learning_rate = 0.001\n[training]\nbatch = 2\nepochs = 1\n\n";

/// A model of these targets, each with a branch of its name.
fn spec(targets: &str) -> Spec {
    let names = targets.split("name = ").skip(1).filter_map(|rest| rest.lines().next());
    let branches: String =
        names.map(|name| format!("[[branch]]\nname = {name}\ntarget = {name}\n")).collect();
    Spec::parse(&format!("{HEAD}{targets}{branches}"), "m.toml").unwrap()
}

/// Photos with these columns: a header, and cells with commas between them.
fn records(columns: &[(&str, &str)]) -> Records {
    let columns: Vec<Column> = columns
        .iter()
        .map(|(name, cells)| {
            let mut column = Column::new(name);
            cells.split(',').for_each(|cell| column.push(Some(cell)));
            column
        })
        .collect();
    let names = (0..columns[0].len()).map(|number| format!("{number}.jpg")).collect();
    let table = Table { columns, ..Table::default() };
    Records { table, ..Records::unlabelled(Key::File, names) }
}

fn settled(records: &Records, targets: &str) -> Spec {
    let mut spec = spec(targets);
    records.settle(&mut spec).unwrap();
    spec
}

fn refusal(records: &Records, targets: &str) -> String {
    records.settle(&mut spec(targets)).unwrap_err().to_string()
}

fn names(spec: &Spec) -> Vec<&str> {
    spec.targets.iter().map(|target| target.name.as_str()).collect()
}

/// What a model that is settled by the samples reads of them.
fn answered(records: Records, targets: &str) -> (Records, Vec<usize>, Vec<(String, String)>) {
    let spec = settled(&records, targets);
    let (records, kept, notes) = records.answer(&spec).unwrap();
    (records, kept, notes.into_iter().map(|note| (note.file, note.reason)).collect())
}

const CLASS: &str = "[[target]]\nname = \"class\"\n";

#[test]
fn settling_fills_in_what_the_column_tells() {
    let mut records = records(&[("mood", "sad,glad,sad"), ("Grams", "61.5,70,80"), ("size", "10,9,100")]);
    let mut age = Column::known(Target {
        unit: Some("years".into()),
        range: Some([0.0, 150.0]),
        ..Target::new("age", "number")
    });
    ["31", "4", "9"].into_iter().for_each(|cell| age.push(Some(cell)));
    records.table.columns.push(age);
    let targets = "[[target]]\nname = \"mood\"\n[[target]]\nname = \"weight\"\ncolumn = \"grams\"\nunit = \"g\"\n\
                   [[target]]\nname = \"age\"\nrange = [1, 99]\n[[target]]\nname = \"size\"\nkind = \"classes\"\n";
    let spec = settled(&records, targets);
    let [mood, weight, age, size] = &spec.targets[..] else { panic!("{spec:?}") };
    let kind = |target: &Target| target.kind.unwrap().name();
    assert_eq!(
        (kind(mood), &mood.classes[..], &mood.column),
        ("binary", &["glad".into(), "sad".into()][..], &None)
    );
    assert_eq!((kind(weight), weight.column.as_deref()), ("number", Some("Grams")));
    assert_eq!((weight.unit.as_deref(), weight.range), (Some("g"), None));
    // The model's own word counts more than the source's.
    assert_eq!((kind(age), age.unit.as_deref(), age.range), ("number", Some("years"), Some([1.0, 99.0])));
    assert_eq!((kind(size), &size.classes[..]), ("classes", &["9", "10", "100"].map(str::to_owned)[..]));
    // Once more, nothing changes.
    let mut again = spec.clone();
    records.settle(&mut again).unwrap();
    assert_eq!(again, spec);
}

#[test]
fn a_known_kind_counts_for_targets_of_that_kind_only() {
    let mut records = records(&[("x", "1,2,3")]);
    let classes = vec!["3".to_owned(), "2".into(), "1".into()];
    records.table.columns[0].known = Some(Target { classes: classes.clone(), ..Target::new("x", "classes") });
    assert_eq!(settled(&records, "[[target]]\nname = \"x\"\n").targets[0].classes, classes);
    let number = settled(&records, "[[target]]\nname = \"x\"\nkind = \"number\"\n");
    assert_eq!((number.targets[0].kind.unwrap().name(), number.targets[0].classes.len()), ("number", 0));
}

#[test]
fn every_column_that_can_be_one_becomes_a_target_with_a_branch() {
    let records = records(&[
        ("id", "a,b,c,d,e,f"),
        ("Eye Colour", "blue,green,blue,brown,green,brown"),
        ("eye-colour", "1.5,2,3,4,5,6"),
        ("site", "x,x,x,x,x,x"),
        ("head", "0,1,0,1,0,"),
        ("photo", "0,1,0,1,0,1"),
        ("age", "1,2,3,4,5,60.5"),
    ]);
    let text = format!(
        "{HEAD}[[target]]\nname = \"years\"\ncolumn = \"age\"\n[[target]]\nname = \"*\"\nstandardize = true\n\
         [[branch]]\nname = \"head\"\ntarget = \"years\"\n[[branch]]\nname = \"*\"\ntarget = \"*\"\n\
         [[branch.layer]]\nname = \"out\"\nop = \"flatten\"\n"
    );
    let mut spec = Spec::parse(&text, "m.toml").unwrap();
    records.settle(&mut spec).unwrap();
    // `head` is a branch's name, and `photo` that of a buffer.
    assert_eq!(names(&spec), ["years", "eye_colour", "eye_colour_2", "head_2", "photo_2"]);
    let kinds: Vec<&str> = spec.targets.iter().map(|target| target.kind.unwrap().name()).collect();
    assert_eq!(kinds, ["number", "classes", "number", "binary", "binary"]);
    assert_eq!(spec.targets[1].column.as_deref(), Some("Eye Colour"));
    assert_eq!(spec.targets[2].column.as_deref(), Some("eye-colour"));
    let branches: Vec<(&str, &str)> =
        spec.branches.iter().map(|branch| (branch.name.as_str(), branch.target.as_str())).collect();
    let own = ["eye_colour", "eye_colour_2", "head_2", "photo_2"].map(|name| (name, name));
    assert_eq!(branches, [&[("head", "years")][..], &own].concat());
    assert!(spec.branches[1..].iter().all(|branch| branch.layers.len() == 1));
    // What it has become can be written and read again.
    let again = Spec::parse(&spec.to_toml().unwrap(), "again.toml").unwrap();
    assert_eq!(names(&again), names(&spec));
}

#[test]
fn the_label_alone_becomes_a_target_where_it_is_known() {
    const EVERY: &str = "[[target]]\nname = \"*\"\n";
    let mut records = records(&[("a", "0,1,0"), ("b", "0,1,1"), ("c", "1,1,0")]);
    let mut named = spec(EVERY);
    named.data.label_column = Some("C".into());
    records.settle(&mut named).unwrap();
    assert_eq!(names(&named), ["c"]);
    records.table.label = Some(1);
    assert_eq!(names(&settled(&records, EVERY)), ["b"]);
    assert_eq!(names(&settled(&records, "[[target]]\nname = \"class\"\n")), ["class"]);
    let none = super::tests::records(&[("a", "0,0,0"), ("b", ",,")]);
    let error = refusal(&none, EVERY);
    assert!(error.starts_with("m.toml:12: no column of the data can be a target"), "{error}");
    assert!(error.ends_with("there is a, b"), "{error}");
}

#[test]
fn a_target_without_its_column_is_refused_with_its_line_and_the_nearest_name() {
    let records = records(&[("mood", "0,1,0"), ("weight", "0,1,1")]);
    let error = refusal(&records, "[[target]]\nname = \"mood\"\n\n[[target]]\nname = \"wieght\"\n");
    let expected = "m.toml:15: target \"wieght\": there is no column `wieght`; there is `mood`, `weight`; did you \
                    mean `weight`?; see the columns";
    assert_eq!(error, expected);
    let mut named = spec(CLASS);
    named.data.label_column = Some("mod".into());
    let error = records.settle(&mut named).unwrap_err().to_string();
    assert!(
        error.contains("there is no column `mod`; there is `mood`, `weight`; did you mean `mood`?"),
        "{error}"
    );
}

#[test]
fn a_column_that_cannot_be_told_says_why() {
    let many = (0..101).map(|number| format!("label {number}")).collect::<Vec<_>>().join(",");
    let (classes, binary) = ("kind = \"classes\"\n", "kind = \"binary\"\n");
    for (cells, kind, message) in [
        ("x,x", "", "every label in the column `label` is `x`; there must be two classes to tell apart"),
        ("x,", "", "every label in the column `label` is `x`; there must be two classes to tell apart"),
        (",", "", "the column `label` has no label"),
        (
            many.as_str(),
            "",
            "the column `label` has 101 different labels, more than 100 or nearly as many as samples",
        ),
        (
            "x,x",
            classes,
            "the column `label`: every label in it is `x`; there must be two classes to tell apart",
        ),
        (",", classes, "the column `label`: it has no label"),
        ("x,y,z", binary, "the column `label`: it has 3 different labels, and a binary target two"),
    ] {
        let mut records = records(&[("label", cells)]);
        records.table.label = Some(0);
        let error = refusal(&records, &format!("{CLASS}{kind}"));
        assert!(error.starts_with("m.toml:12: target \"class\": "), "{error}");
        assert!(error.contains(message), "{error}\nbut expected: {message}");
    }
}

#[test]
fn labels_are_places_of_classes_in_the_order_of_values_or_of_the_alphabet() {
    let (records, kept, notes) = answered(records(&[("stars", "10,2,1,-1,2,10,-1,1")]), CLASS);
    assert_eq!(records.answers, [[3, 2, 1, 0, 2, 3, 0, 1].map(|place| Some(place as f32))]);
    assert_eq!((kept.len(), notes), (8, vec![]));
    let (records, ..) = answered(super::tests::records(&[("sentiment", "Pos,Neg,Pos")]), CLASS);
    assert_eq!(records.answers, [[1.0, 0.0, 1.0].map(Some)]);
}

#[test]
fn samples_without_a_label_are_left_out_and_told_but_not_those_with_one_of_several() {
    let columns = [("a", "0,,1, ,0,1"), ("b", "1.5,,,4,oops,5")];
    let mut both = records(&columns);
    both.table.file = Some("labels.csv".into());
    both.table.lines = (2..8).collect();
    let targets = "[[target]]\nname = \"a\"\n[[target]]\nname = \"b\"\nkind = \"number\"\n";
    let (chosen, kept, notes) = answered(both.clone(), targets);
    assert_eq!(kept, [0, 2, 3, 4, 5]);
    assert_eq!(chosen.names, [0, 2, 3, 4, 5].map(|number| format!("{number}.jpg")));
    assert_eq!(chosen.answers[0], [Some(0.0), Some(1.0), None, Some(0.0), Some(1.0)]);
    assert_eq!(chosen.answers[1], [Some(1.5), None, Some(4.0), None, Some(5.0)]);
    assert_eq!(chosen.table.place(1).unwrap().to_string(), "labels.csv:4");
    let told =
        [("labels.csv:6", "`oops` is no number, in the column `b`"), ("labels.csv:3", "the label is empty")];
    assert_eq!(notes, told.map(|(file, reason)| (file.to_owned(), reason.to_owned())));
    // Of that target alone, the bad cell is the only reason.
    let (_, kept, notes) = answered(both.clone(), "[[target]]\nname = \"b\"\nkind = \"number\"\n");
    assert_eq!(kept, [0, 3, 5]);
    let files: Vec<&str> = notes.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["labels.csv:6", "labels.csv:3", "labels.csv:4"]);
    // Texts are told by their lines, photos without a file by their names.
    both.key = Key::Row;
    assert_eq!(answered(both, targets).2[0].0, "line 6");
    assert_eq!(answered(records(&columns), targets).2[0].0, "4.jpg");
}

#[test]
fn labels_are_read_as_a_trained_model_knows_them() {
    let mut trained = spec(CLASS);
    trained.targets[0] = Target {
        classes: vec!["bad".into(), "good".into()],
        column: Some("label".into()),
        ..Target::new("class", "binary")
    };
    let (records, kept, notes) = records(&[("label", "Good,ugly,,bad,good")]).answer(&trained).unwrap();
    assert_eq!((kept, &records.answers[0][..]), (vec![0, 3, 4], &[1.0, 0.0, 1.0].map(Some)[..]));
    let reasons: Vec<&str> = notes.iter().map(|note| note.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["the label `ugly` is none of the model's: bad, good, in the column `label`", "the label is empty"]
    );
    let error = super::tests::records(&[("lable", "good")]).answer(&trained).unwrap_err().to_string();
    let expected = "target \"class\": there is no column `label`; there is `lable`; did you mean `lable`?; name the \
                    column by --label-column";
    assert_eq!(error, expected);
}

#[test]
fn a_column_of_which_most_cells_cannot_be_read_is_refused_with_the_first() {
    const NUMBER: &str = "[[target]]\nname = \"x\"\nkind = \"number\"\nrange = [0, 150]\n";
    let mut bad = records(&[("x", "1,151,no,")]);
    bad.table.file = Some("labels.csv".into());
    bad.table.lines = (2..6).collect();
    let error = bad.clone().answer(&settled(&bad, NUMBER)).unwrap_err().to_string();
    let expected = "labels.csv:3: 151 is not between 0 and 150, in the column `x`, nor can 1 others of its 3 cells be \
                    read; name another column, or correct them";
    assert_eq!(error, expected);
    // Half of them is not most.
    assert_eq!(answered(records(&[("x", "1,151,no,3")]), NUMBER).1, [0, 3]);
}

#[test]
fn what_follows_from_the_labels_is_taken_from_the_training_samples() {
    let records = records(&[("a", "x,x,x,y,y,x"), ("b", "2,4,6,,1000,0.5")]);
    let targets = "[[target]]\nname = \"a\"\nbalance = true\nstandardize = true\n\
                   [[target]]\nname = \"b\"\nbalance = true\nstandardize = true\n";
    let mut spec = settled(&records, targets);
    let (records, ..) = records.answer(&spec).unwrap();
    records.settle_training(&mut spec, &[0, 1, 2, 3]);
    let [a, b] = &spec.targets[..] else { panic!("{spec:?}") };
    assert_eq!((a.balance, a.standardize, a.mean_and_deviation), (true, false, None));
    assert_eq!(a.class_weights, [2.0 / 3.0, 2.0]);
    assert_eq!((b.balance, b.standardize, &b.class_weights[..]), (false, true, &[][..]));
    let [mean, deviation] = b.mean_and_deviation.unwrap();
    assert!(mean == 4.0 && (deviation - (8.0_f32 / 3.0).sqrt()).abs() < 1e-6, "{mean}, {deviation}");
    // What a model knows already stays.
    let mut again = spec.clone();
    records.settle_training(&mut again, &[4, 5]);
    assert_eq!(again.targets, spec.targets);
    // Labels that are all the same have no deviation to divide by.
    assert_eq!(mean_and_deviation(&[3.0, 3.0]), [3.0, 1.0]);
    assert_eq!(mean_and_deviation(&[]), [0.0, 1.0]);
}

#[test]
fn labels_can_be_made_up_for_a_model_without_data() {
    let mut spec =
        spec("[[target]]\nname = \"age\"\nkind = \"number\"\nrange = [10, 20]\n[[target]]\nname = \"c\"\n");
    spec.targets[1] =
        Target { classes: ["a", "b", "c"].map(str::to_owned).to_vec(), ..Target::new("c", "classes") };
    assert!(matches!(spec.input, InputSpec::Photo(_)));
    let mut records = Records::unlabelled(Key::File, vec![String::new(); 5]);
    records.invent(&spec);
    assert!(records.answers[0].iter().all(|label| label.is_some_and(|age| (10.0..=20.0).contains(&age))));
    assert_ne!(records.answers[0][0], records.answers[0][1]);
    assert_eq!(records.answers[1], [0.0, 1.0, 2.0, 0.0, 1.0].map(Some));
}

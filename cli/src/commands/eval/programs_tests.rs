//! Each task's own solution gives an answer that its check takes, and no task gives its answer away.

use glassbox::sandbox::Limits;
use glassbox::sandbox::wasm::{Image, Sandbox};

use super::*;

fn sandbox() -> Sandbox {
    Sandbox::builder().limits(Limits::default()).image(Image::Bare).build().unwrap()
}

fn of(case: &Case) -> &Task {
    let Kind::Task(task) = &case.kind else { panic!("{} is no task", case.id) };
    task
}

#[tokio::test]
async fn the_solution_of_each_task_is_taken_and_its_question_is_no_answer() {
    let (sandbox, cases) = (sandbox(), tasks().unwrap());
    assert_eq!(cases.len(), 60);
    for case in &cases {
        let task = of(case);
        assert!(!task.answer.is_empty() || task.check.is_some(), "{} has no check", case.id);
        assert!(task.latin1.values().all(|text| text.chars().all(|c| u8::try_from(c).is_ok())), "{}", case.id);
        let session = sandbox.open().await.unwrap();
        for (name, data) in task.uploads() {
            session.put_file(&name, &data).await.unwrap();
        }
        // What stands there before the model has done anything.
        let unanswered = raised(session.as_ref(), &task.checks(&task.ask, 0)).await.unwrap();
        assert!(unanswered.is_some(), "{} is right without an answer", case.id);
        let (mut printed, mut pictures) = (String::new(), 0);
        let mut events = session.execute(ExecuteRequest::new(task.solution.clone()));
        while let Some(event) = events.next().await {
            match event.unwrap() {
                CellEvent::Output { output: Output::Stdout { text } } => printed += &text,
                CellEvent::Output { output } => {
                    assert!(!matches!(output, Output::Error { .. }), "{}: {output:?}", case.id);
                    pictures += usize::from(is_picture(&output));
                }
                _ => {}
            }
        }
        let wrong = raised(session.as_ref(), &task.checks(&printed, pictures)).await.unwrap();
        assert_eq!(wrong, None, "{}: {printed}", case.id);
        session.close().await;
    }
}

#[tokio::test]
async fn numbers_are_held_as_exactly_as_they_are_asked_for() {
    let session = sandbox().open().await.unwrap();
    let cases = [
        ("It is 1,204.50 in all.", "1204.5", true),
        ("about 1204", "1204.5", false),
        ("14.3", "14", false),
        ("the result is 14.", "14", true),
        ("14.0", "14", true),
        ("3.14159", "3.14", true),
        ("3.149", "3.14", false),
        ("-5", "5", false),
        ("[720, 31]", "720", true),
        ("SUNDAY", "\"Sunday\"", true),
        ("Monday", "\"Sunday\"", false),
    ];
    for (reply, wanted, held) in cases {
        let program = format!(
            "{CHECKS}\nreply = {}\nassert holds({wanted}) is {}",
            json!(reply),
            if held { "True" } else { "False" }
        );
        assert_eq!(raised(session.as_ref(), &program).await.unwrap(), None, "{reply} holds {wanted}");
    }
}

#[tokio::test]
async fn a_problem_is_right_where_its_tests_pass() {
    let line = json!({
        "task_id": "HumanEval/7",
        "prompt": "from typing import List\n\ndef double(xs: List[int]) -> List[int]:\n    \"\"\"Twice each.\"\"\"\n",
        "test": "def check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n",
        "entry_point": "double",
        "canonical_solution": "    return [2 * x for x in xs]\n",
    });
    let cases = problems(&format!("{line}\n\n")).unwrap();
    let Kind::Problem(problem) = &cases[0].kind else { panic!("no problem") };
    assert_eq!(cases[0].id, "humaneval_7");
    let session = sandbox().open().await.unwrap();
    let right = [
        "Here it is:\n```python\ndef double(xs: List[int]):\n    return [2 * x for x in xs]\n```\nDone.",
        "def double(xs):\n    return [2 * x for x in xs]",
        // Goes on where the prompt ends.
        "```\n    return [2 * x for x in xs]\n```",
    ];
    for reply in right {
        assert_eq!(raised(session.as_ref(), &problem.program(reply)).await.unwrap(), None, "{reply}");
    }
    for (reply, why) in
        [("```python\ndef double(xs):\n    return xs\n```", "AssertionError"), ("I can't.", "SyntaxError")]
    {
        let wrong = raised(session.as_ref(), &problem.program(reply)).await.unwrap().unwrap();
        assert!(wrong.starts_with(why), "{wrong}");
    }
}

"""Writes a résumé from all that a log bears out."""

import json
from pathlib import Path
from typing import Any

from worklog.asking_reports import summary_by_model
from worklog.books import analyses_of, log, table_of
from worklog.method import MODEL, Method, uses_model
from worklog.pages import write_pages
from worklog.resume import resume_of

from penstock.agents import Invalid, agent, context, store


@agent
def write_resume(
    user: str, name: str = "", label: str = "", email: str = "", method: Method = "auto"
) -> dict[str, Any]:
    """Highlights are quotes of the log, word for word, whatever the method."""
    analyses, skills = analyses_of(user), list(table_of("skills", user).values())
    if not analyses:
        raise Invalid(f"user: nothing of '{user}' is analysed; run worklog-analyze first")
    about = {"name": name, "label": label, "email": email, "analyses": analyses, "skills": skills}
    resume, with_model = resume_of(user, **about), uses_model(method)
    if with_model:
        resume["basics"]["summary"] = summary_by_model(resume, model=MODEL)
    log.write([store.put("resumes", user, {"user": user, "resume": resume})])
    pages = write_pages("resume", resume=resume)
    path = Path(context.out_folder) / "resume.json"
    path.write_text(json.dumps(resume, indent=2, ensure_ascii=False))
    return {"resume": resume, "json": str(path), **pages, "method": "model" if with_model else "rules"}


if __name__ == "__main__":
    write_resume.main()

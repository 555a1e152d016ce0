"""What the agents of paper-analysis share, in the order of the work.

opening, glyphs, layout, reading,
document                              a PDF becomes pages of text in reading order, sections, references
links, identifiers, statements,
statistics, claims                    what the text says that can be checked, each with its page and offsets
allowlist, checking, checked                  which links may be asked for, and what they answer
repositories, fetching, archives      the code behind the paper
paper_rules, paper_model,
repository_rules, matching            checks; each result is a `Finding`
scoring, report                       points, every one from a finding; and the page
"""

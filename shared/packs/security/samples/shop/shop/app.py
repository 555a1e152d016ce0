# SPDX-License-Identifier: MIT
"""The shop's web application. Full of planted problems."""

import hashlib
import json
import os
import pickle
import subprocess
import tempfile

import requests
import yaml
from flask import Flask, make_response, request

app = Flask(__name__)
AWS_ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@app.route("/catalogue")
def catalogue():
    with open("catalogue.yaml") as stream:
        return json.dumps(yaml.load(stream, Loader=yaml.Loader))


@app.route("/picture/<name>")
def picture(name):
    etag = hashlib.md5(name.encode()).hexdigest()
    answer = make_response(requests.get("https://pictures.example.com/" + name, verify=False).content)
    answer.headers["ETag"] = etag
    return answer


@app.route("/convert")
def convert():
    target = tempfile.mktemp(suffix=".png")
    subprocess.run("convert logo.svg logo.png", shell=True)
    subprocess.run("convert upload.svg " + request.args["target"], shell=True)
    return target


@app.route("/basket")
def basket():
    return pickle.loads(request.get_data())


@app.route("/login", methods=["POST"])
def login():
    answer = make_response("welcome")
    answer.set_cookie("session", request.form["name"])
    return answer


if __name__ == "__main__":
    app.run(debug=True)

"""A small hub on this machine: the calls that huggingface_hub makes to make a repository, commit, list and download.

Regular files come with the commit, those of `LARGE` by the protocol of large files (LFS): batch, upload, and a download
that redirects. `HubServer.faults` changes answers, so that tests see what becomes of bad ones.
"""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".mp4", ".png", ".gif", ".wav")
TOKEN = "hf_of_this_test"
OWNER = "me"


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class HubServer:
    """Repositories in memory: ``repos[name] = {"private": bool, "branches": {name: commit}}``, ``commits[commit]``."""

    def __init__(self):
        self.repos, self.commits, self.large, self.calls, self.faults = {}, {}, {}, [], {}
        self.tokens = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self):
        """End it, and cut the connections that clients keep."""
        self.faults = {"": _cut}
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def add(self, repo, files, private=False):
        """A commit with these files, as somebody else would push them; gives its hash."""
        entry = self.repos.setdefault(repo, {"private": private, "branches": {}})
        return self._commit(entry, "main", dict(files))

    def files(self, repo, revision="main"):
        """Content by name."""
        return self.commits[self.commit(repo, revision)]

    def commit(self, repo, revision):
        """The commit that a revision means; None if there is none."""
        found = self.repos[repo]["branches"].get(revision)
        return found or (revision if revision in self.commits else None)

    def _commit(self, entry, branch, files):
        entry["branches"].setdefault("main", "0" * 40)
        self.commits.setdefault("0" * 40, {})
        names = json.dumps([len(self.commits), sorted((name, git_sha1(it)) for name, it in files.items())])
        commit = hashlib.sha1(names.encode()).hexdigest()
        self.commits[commit] = files
        entry["branches"][branch] = commit
        return commit


def _cut(handler):
    handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, content=b"", **headers):
        if not isinstance(content, bytes):
            content, headers = json.dumps(content).encode(), {"Content-Type": "application/json", **headers}
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_one(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.calls.append(f"{self.command} {path}")
        self.hub.tokens.append((path, self.headers.get("Authorization")))
        content = self.body()
        for pattern, fault in self.hub.faults.items():
            if pattern in f"{self.command} {path}":
                fault(self)
                return
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.command in ("POST", "PUT") and not path.startswith("/lfs/") and not allowed:
            self.answer(401, {"error": "Invalid credentials"})
            return
        parts = path.strip("/").split("/")
        if path == "/api/whoami-v2":
            self.answer(200, {"name": OWNER}) if allowed else self.answer(401, {"error": "Invalid token"})
        elif path == "/api/repos/create":
            self.create(json.loads(content))
        elif path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif parts[:2] == ["api", "models"]:
            self.models("/".join(parts[2:4]), parts[4:], content, allowed)
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.batch(json.loads(content))
        elif parts[0] == "lfs":
            self.blob(parts[1], content)
        elif parts[2:3] == ["resolve"]:
            self.resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), allowed)
        else:
            self.answer(404, {"error": "not here"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_one

    def create(self, asked):
        repo = f"{asked['organization'] or OWNER}/{asked['name']}"
        status = 409 if repo in self.hub.repos else 200
        private = asked.get("visibility", "private" if asked.get("private") else "") == "private"
        if status == 200:
            self.hub.add(repo, {}, private)
        self.answer(status, {"url": f"{self.hub.url}/{repo}", "name": repo, "error": "exists"})

    def unknown(self, repo, allowed):
        """Whether a repository is not there, or not for who asks; answers then."""
        entry = self.hub.repos.get(repo)
        if entry is not None and (allowed or not entry["private"]):
            return False
        self.answer(404 if allowed else 401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        return True

    def models(self, repo, rest, content, allowed):
        if self.unknown(repo, allowed):
            return
        entry = self.hub.repos[repo]
        kind, name = (*rest, "main", "main")[:2] if rest else ("revision", "main")
        name = "/".join(rest[1:]) or name
        if kind == "branch":
            status = 409 if name in entry["branches"] else 200
            entry["branches"].setdefault(name, entry["branches"]["main"])
            self.answer(status, {"error": "exists"})
        elif self.hub.commit(repo, name) is None:
            self.answer(404, {"error": "no such revision"}, X_Error_Code="RevisionNotFound")
        elif kind == "revision":
            self.answer(200, self.listing(repo, self.hub.commit(repo, name)))
        elif kind == "preupload":
            modes = [
                {"path": it["path"], "uploadMode": self.mode(it["path"]), "shouldIgnore": False}
                for it in json.loads(content)["files"]
            ]
            self.answer(200, {"files": modes})
        elif kind == "commit":
            self.commit(repo, name, [json.loads(line) for line in content.splitlines()])
        else:
            self.answer(404, {"error": kind})

    def mode(self, name):
        return "lfs" if name.endswith(LARGE) else "regular"

    def listing(self, repo, commit):
        siblings = []
        for name, content in self.hub.commits[commit].items():
            one = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
            if self.mode(name) == "lfs":
                digest = hashlib.sha256(content).hexdigest()
                one["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 130}
            siblings.append(one)
        return {"id": repo, "sha": commit, "private": self.hub.repos[repo]["private"], "siblings": siblings}

    def commit(self, repo, branch, lines):
        files = dict(self.hub.files(repo, branch))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = self.hub._commit(self.hub.repos[repo], branch, files)
        self.answer(200, {"commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "commitOid": commit})

    def batch(self, asked):
        objects = []
        for one in asked["objects"]:
            there = one["oid"] in self.hub.large
            actions = {} if there else {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
            objects.append({**one, **actions})
        self.answer(200, {"transfer": "basic", "objects": objects})

    def blob(self, oid, content):
        if self.command == "PUT":
            assert hashlib.sha256(content).hexdigest() == oid
            self.hub.large[oid] = content
            self.answer(200)
        else:
            every = (it for files in self.hub.commits.values() for it in files.values())
            self.answer(200, next(it for it in every if hashlib.sha256(it).hexdigest() == oid))

    def resolve(self, repo, revision, name, allowed):
        if self.unknown(repo, allowed):
            return
        commit = self.hub.commit(repo, revision)
        content = self.hub.commits[commit].get(name)
        if content is None:
            self.answer(404, {"error": "no such file"}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        elif self.mode(name) == "regular":
            self.answer(200, content, ETag=f'"{git_sha1(content)}"', X_Repo_Commit=commit)
        else:
            oid = hashlib.sha256(content).hexdigest()
            place = self.hub.url.replace("127.0.0.1", "localhost") + f"/lfs/{oid}"
            linked = {"X_Linked_Etag": f'"{oid}"', "X_Linked_Size": len(content), "X_Repo_Commit": commit}
            self.answer(302, b"", Location=place, **linked)


if __name__ == "__main__":  # To try commands by hand.
    server = HubServer()
    print(f"export HF_ENDPOINT={server.url} HF_TOKEN={TOKEN} HF_HUB_DISABLE_XET=1", flush=True)
    server.thread.join()

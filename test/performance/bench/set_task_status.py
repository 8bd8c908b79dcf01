# What a workflow would have in a "run:" step instead of the action, with boto3.
import os

import boto3

boto3.client("datapipeline").set_task_status(taskId=os.environ["TASK_ID"], taskStatus="FINISHED")
